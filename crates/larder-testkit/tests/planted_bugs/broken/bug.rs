//! The bugs, each with the cases that must catch it. Together they name every case of the suite.

macro_rules! bugs {
    ($($bug:ident: [$($case:ident),+ $(,)?],)+) => {
        /// What is wrong with a backend.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Bug {
            $($bug,)+
        }

        impl Bug {
            pub(crate) const ALL: &[Self] = &[$(Self::$bug),+];

            pub(crate) fn caught_by(self) -> &'static [&'static str] {
                match self {
                    $(Self::$bug => &[$(stringify!($case)),+],)+
                }
            }
        }
    };
}

bugs! {
    // Reading and writing.
    AnswersExpired: [
        an_expired_entry_is_answered_by_nothing,
        an_entry_that_was_stale_expires,
        a_delete_counts_stale_entries_and_not_expired_ones,
        a_set_replaces_the_times,
        c8_a_counter_is_an_entry,
    ],
    TakesStaleForExpired: [a_stale_entry_is_answered, a_released_lease_is_free],
    JudgesForItsCaller: [a_get_leaves_the_judging_to_its_caller],
    ForgetsEtags: [an_entry_comes_back_as_it_was_stored, a_dropped_write_is_done_or_not_done],
    RoundsTimesToSeconds: [an_entry_comes_back_as_it_was_stored],
    KeepsTheLongestLife: [
        a_set_replaces_all_of_the_entry,
        an_entry_stored_too_late_replaces_and_is_not_answered,
        a_set_replaces_the_times,
    ],
    ForeverHasAnEnd: [what_lives_for_ever_does_not_expire, the_longest_lives_are_kept],
    DropsLargeValues: [any_bytes_come_back],
    EncodesWhatIsDecoded: [a_decoded_value_can_be_read_as_its_type],
    CannotKeepLocalValues: [a_local_value_is_kept_or_refused],
    ForgetsAbsences: [a_recorded_absence_comes_back],
    TakesAbsencesForValues: [
        a_recorded_absence_comes_back,
        a_recorded_absence_is_given_no_other_times,
        a_counter_begins_over_a_recorded_absence,
        a_recorded_absence_counts_as_absent,
        random_operations_agree_with_the_reference,
    ],
    ForgetsWhatACounterIs: [a_counter_comes_back],
    HeadForgetsTags: [c8_head_agrees_with_get],
    DeleteAlwaysFinds: [
        a_delete_tells_whether_an_entry_was_there,
        c8_a_placeholder_is_nothing_to_delete,
        random_operations_agree_with_the_reference,
    ],
    InvalidateDoesNothing: [an_invalidated_entry_is_gone, c1_an_invalidate_ends_the_lease],
    TearsWrites: [a_read_among_writes_sees_one_of_them_whole, a_dropped_write_is_done_or_not_done],
    AnswersBeforeItWrites: [c7_a_completed_write_is_seen_by_other_tasks],
    HasNoNearestTier: [every_tier_knows_what_was_written_to_all],
    FailsOnAMiss: [an_unknown_key_is_a_miss],

    // Keys.
    IgnoresNamespaces: [s4_namespaces_are_separate, c7_one_namespace_is_forgotten_whole],
    JoinsNamespaceAndKey: [s4_no_key_reaches_into_a_namespace_with_a_longer_name],
    FoldsCase: [s4_hostile_keys_are_distinct_and_round_trip],
    CutsLongKeys: [s4_hostile_keys_are_distinct_and_round_trip],
    FindsKeysByLuck: [a_key_is_the_same_wherever_its_prefix_is_cut],

    // Listings and batches.
    ScanRepeats: [c8_scan_agrees_with_get, s4_hostile_keys_are_distinct_and_round_trip],
    ScanSkips: [c8_scan_agrees_with_get, a_scan_under_writes_lists_what_stays_once],
    ScanIgnoresThePattern: [a_scan_lists_what_matches],
    ScanHidesStale: [a_scan_lists_stale_entries_with_heads_that_tell],
    ScanListsLeases: [
        c8_a_placeholder_is_absent_to_everything,
        random_operations_agree_with_the_reference,
    ],
    ScanNeverEnds: [a_scan_of_nothing_ends],
    BatchAnswersBackwards: [
        replies_are_in_the_order_of_the_operations,
        random_operations_agree_with_the_reference,
    ],
    BatchStopsAtAnError: [an_error_does_not_stop_the_others],
    BatchReadsFirst: [an_operation_sees_what_came_before_it_in_the_batch],
    EmptyBatchAnswers: [an_empty_batch_answers_nothing],
    BatchCannotUpdate: [c8_a_batch_agrees_with_single_operations],

    // Times.
    ExpireMakesAnotherEntry: [expire_changes_the_times_and_keeps_the_entry],
    ExpireIgnoresTheView: [expire_answers_false_where_nothing_is_present],
    ExpireOnlyLengthens: [the_new_times_count],
    ExpireIgnoresThePast: [an_expiry_in_the_past_removes_the_entry],

    // Updates.
    CountsInTwoSteps: [c6_concurrent_increments_lose_nothing],
    WrapsAround: [c6_an_overflow_is_refused_and_the_value_kept],
    CountsPlainValues: [adding_to_a_plain_value_is_refused, an_error_does_not_stop_the_others],
    RenewsCounters: [a_present_counter_keeps_its_times],
    CountsForEver: [an_absent_counter_begins_with_the_template, c8_a_counter_is_an_entry],
    UpdateIgnoresTheView: [
        a_counter_that_is_not_visible_begins_anew,
        what_is_not_visible_counts_as_absent,
    ],
    DecidesInTwoSteps: [
        c6_one_of_many_concurrent_set_if_absent_wins,
        c6_one_of_many_concurrent_replace_if_wins,
        c6_an_entry_is_taken_once,
    ],
    ReplacesWhateverIsThere: [replace_if_heeds_the_id],
    TakeLeavesTheEntry: [
        take_answers_the_entry_and_removes_it,
        random_operations_agree_with_the_reference,
    ],
    SetIfAbsentReplaces: [set_if_absent_stores_once, random_operations_agree_with_the_reference],
    ClaimsTooLittle: [
        c8_scan_agrees_with_get,
        expire_changes_the_times_and_keeps_the_entry,
        c6_concurrent_increments_lose_nothing,
        set_if_absent_stores_once,
        a_cold_key_is_leased_to_one,
        a_fill_stores_what_was_loaded,
        a_marker_is_made_once_and_stays,
        c2_writes_are_heard_of,
        c7_immediate_writes_are_seen_by_the_next_read,
        a_reservation_keeps_what_is_there,
        random_operations_agree_with_the_reference,
    ],

    // Leases and fills.
    FillIgnoresTheLease: [
        a_repeated_fill_is_refused,
        c1_a_lease_that_ended_by_itself_fills_nothing,
        c1_a_lease_that_another_has_now_fills_nothing,
        c1_a_release_ends_the_lease,
        random_operations_agree_with_the_reference,
    ],
    FillRefusesAll: [a_fill_stores_what_was_loaded, a_fill_replaces_the_stale_entry],
    FillStopsAtARefusal: [fills_are_answered_in_order],
    FillReplacesNewerSchemas: [a_fill_never_replaces_a_newer_schema],
    FillHeedsEveryGeneration: [a_fill_replaces_a_newer_schema_of_another_generation],
    GrantsToEverybody: [a_cold_key_is_leased_to_one, a_fresh_entry_can_be_refreshed],
    GrantsInTwoSteps: [one_of_many_concurrent_leases_is_granted],
    LeaseHidesTheStaleEntry: [a_stale_entry_is_leased_to_one_and_stays_at_hand],
    LeaseIgnoresTheView: [an_entry_of_another_view_is_leased],
    LeaseNeverEndsByItself: [a_lease_ends_by_itself],
    LeaseNeverRefreshes: [a_fresh_entry_can_be_refreshed],
    LeaseForgetsWhatItSaw: [a_stale_entry_is_leased_to_one_and_stays_at_hand],
    LeasesAreAnsweredBackwards: [leases_are_answered_in_order],
    LeaseIsAnEntry: [c8_a_placeholder_is_absent_to_everything],
    LeasesWhatIsFresh: [a_fresh_entry_needs_no_load],
    LoadsAbsencesAgain: [a_recorded_absence_needs_no_load],
    GrantsAKeyTwiceInOneQuestion: [a_key_asked_for_twice_is_leased_once],
    LeaseIgnoresGenerations: [
        c1_a_lease_from_before_a_clear_stands_in_nobodys_way,
        random_operations_agree_with_the_reference,
    ],
    LeaseOutlivesTheNext: [c1_a_lease_from_before_a_clear_stands_in_nobodys_way],
    LeaseBlocksUpdates: [c8_a_placeholder_is_absent_to_updates],
    ReleaseDoesNothing: [a_released_lease_is_free, c1_a_release_ends_the_lease],
    ReleaseDeletes: [a_late_release_harms_nothing],
    DeleteKeepsTheLease: [
        c1_a_delete_ends_the_lease,
        c1_an_invalidate_ends_the_lease,
        c1_a_batch_ends_the_lease,
        c1_a_lease_from_before_a_delete_fills_nothing_under_a_later_one,
    ],
    SetKeepsTheLease: [c1_a_set_ends_the_lease, c1_a_batch_ends_the_lease],
    ExpireKeepsTheLease: [c1_an_expire_ends_the_lease],
    UpdateKeepsTheLease: [
        c1_an_increment_ends_the_lease,
        c1_a_conditional_write_ends_the_lease,
    ],
    ImmediateWritesKeepTheLease: [c1_an_immediate_write_ends_the_lease],

    // Markers.
    ReadingMakesMarkers: [c4_what_judges_an_entry_creates_no_marker],
    MarkersAreMadeInTwoSteps: [concurrent_readers_agree_on_a_new_marker],
    MarkersChangeWhenRead: [a_marker_is_made_once_and_stays],
    BumpDoesNothing: [c4_a_bump_gives_a_version_never_seen_before],
    BumpForgetsUnknownMarkers: [an_unknown_marker_can_be_bumped],
    TagsShareAMarker: [s4_markers_are_separate],
    MarkersAreEntries: [s4_a_marker_is_no_entry],

    // Watching.
    WatchHearsNothing: [
        c2_writes_are_heard_of,
        c2_updates_are_heard_of,
        c2_fills_are_heard_of,
        c4_bumps_are_heard_of,
    ],
    WatchHearsLate: [c2_writes_are_heard_of],
    TellsAnIdOfItsOwn: [c2_an_id_that_is_told_is_that_of_the_entry_there_now],
    TellsTheIdOfWhatIsGone: [c2_an_id_that_is_told_is_that_of_the_entry_there_now],

    // Without waiting.
    PeekIsBehind: [a_stale_entry_is_answered, c7_peek_sees_completed_writes],
    PeekIgnoresTheTime: [peek_goes_by_the_time_it_is_told],
    PeekTidiesKeys: [a_key_that_breaks_the_rules_is_not_there],
    PutNowDoesNothing: [c7_immediate_writes_are_seen_by_the_next_read],
    ForgetNowDoesNothing: [c7_immediate_writes_are_seen_by_the_next_read],
    ForgetAllNowDoesNothing: [c7_one_namespace_is_forgotten_whole],

    // Regions and service.
    ReserveDoesNothing: [s5_the_limits_hold_and_hold_for_the_region_alone],
    ReserveLimitsEverything: [s5_the_limits_hold_and_hold_for_the_region_alone],
    ReserveForgetsWhatIsThere: [a_reservation_keeps_what_is_there],
    LearnsAbilities: [the_capability_is_constant],
    StatsStartOver: [stats_have_names_and_grow],
    IsNeverHealthy: [a_working_backend_is_healthy],
    CloseLosesWrites: [close_reports_nothing_left],
}
