//! From cases to tests: the macro, and the list of all cases.

/// Makes one `#[test]` of each case of the suite and each way to reach the backend, in the modules `bare`,
/// `behind_store` and `behind_layer`.
///
/// Takes the name of an `async fn` that makes a [`Subject`](crate::Subject); it is called for every test, so that none
/// sees what another has left. A backend with several settings worth testing calls it once for each, in
/// modules of their own.
///
/// A test runs on a runtime with two worker threads, and fails if it takes longer than a minute.
///
/// ```
/// // tests/conformance.rs
/// use larder_testkit::{ManualClock, ReferenceBackend, Subject, Time};
///
/// async fn subject() -> Subject {
///     let clock = ManualClock::new();
///     Subject::new(ReferenceBackend::new(clock.shared()), Time::Manual(clock))
/// }
///
/// larder_testkit::conformance!(subject);
/// # fn main() {}
/// ```
#[macro_export]
macro_rules! conformance {
    ($subject:ident) => {
        mod bare {
            $crate::__for_each_case!($crate::__test_each_case, Bare $subject);
        }
        mod behind_store {
            $crate::__for_each_case!($crate::__test_each_case, BehindStore $subject);
        }
        mod behind_layer {
            $crate::__for_each_case!($crate::__test_each_case, BehindLayer $subject);
        }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __test_each_case {
    (($way:ident $subject:ident) $($topic:ident: $($case:ident),+;)+) => {
        $($(#[test]
        fn $case() {
            $crate::run(stringify!($case), $crate::Way::$way, super::$subject);
        })+)+
    };
}

/// Hands the list of all cases to a macro. The list is here and nowhere else.
#[doc(hidden)]
#[macro_export]
macro_rules! __for_each_case {
    ($macro:path $(, $($argument:tt)*)?) => {
        $macro! {
            ($($($argument)*)?)
            round_trip:
                an_entry_comes_back_as_it_was_stored,
                any_bytes_come_back,
                a_decoded_value_can_be_read_as_its_type,
                a_local_value_is_kept_or_refused,
                a_counter_comes_back,
                a_set_replaces_all_of_the_entry,
                an_unknown_key_is_a_miss,
                a_delete_tells_whether_an_entry_was_there,
                a_delete_counts_stale_entries_and_not_expired_ones,
                an_invalidated_entry_is_gone,
                a_get_leaves_the_judging_to_its_caller,
                every_tier_knows_what_was_written_to_all;
            absence:
                a_recorded_absence_comes_back,
                a_recorded_absence_counts_as_absent,
                a_counter_begins_over_a_recorded_absence,
                a_recorded_absence_is_given_no_other_times,
                a_recorded_absence_needs_no_load;
            lifetimes:
                an_expired_entry_is_answered_by_nothing,
                an_entry_that_was_stale_expires,
                an_entry_stored_too_late_replaces_and_is_not_answered,
                a_stale_entry_is_answered,
                what_lives_for_ever_does_not_expire,
                the_longest_lives_are_kept,
                a_set_replaces_the_times;
            keys:
                s4_hostile_keys_are_distinct_and_round_trip,
                a_key_is_the_same_wherever_its_prefix_is_cut,
                s4_namespaces_are_separate,
                s4_no_key_reaches_into_a_namespace_with_a_longer_name;
            heads:
                c8_head_agrees_with_get;
            scan:
                c8_scan_agrees_with_get,
                a_scan_lists_what_matches,
                a_scan_lists_stale_entries_with_heads_that_tell,
                a_scan_of_nothing_ends,
                a_scan_under_writes_lists_what_stays_once;
            batch:
                an_empty_batch_answers_nothing,
                replies_are_in_the_order_of_the_operations,
                an_operation_sees_what_came_before_it_in_the_batch,
                an_error_does_not_stop_the_others,
                c8_a_batch_agrees_with_single_operations;
            expire:
                expire_changes_the_times_and_keeps_the_entry,
                the_new_times_count,
                an_expiry_in_the_past_removes_the_entry,
                expire_answers_false_where_nothing_is_present;
            counters:
                an_absent_counter_begins_with_the_template,
                a_present_counter_keeps_its_times,
                c8_a_counter_is_an_entry,
                c6_an_overflow_is_refused_and_the_value_kept,
                adding_to_a_plain_value_is_refused,
                a_counter_that_is_not_visible_begins_anew,
                c6_concurrent_increments_lose_nothing;
            conditional:
                set_if_absent_stores_once,
                what_is_not_visible_counts_as_absent,
                c6_one_of_many_concurrent_set_if_absent_wins,
                replace_if_heeds_the_id,
                c6_one_of_many_concurrent_replace_if_wins,
                take_answers_the_entry_and_removes_it,
                c6_an_entry_is_taken_once;
            lease:
                a_cold_key_is_leased_to_one,
                one_of_many_concurrent_leases_is_granted,
                a_fresh_entry_needs_no_load,
                a_stale_entry_is_leased_to_one_and_stays_at_hand,
                an_entry_of_another_view_is_leased,
                a_fresh_entry_can_be_refreshed,
                a_lease_ends_by_itself,
                a_released_lease_is_free,
                a_late_release_harms_nothing,
                leases_are_answered_in_order,
                a_key_asked_for_twice_is_leased_once;
            placeholder:
                c8_a_placeholder_is_absent_to_everything,
                c8_a_placeholder_is_nothing_to_delete,
                c8_a_placeholder_is_absent_to_updates;
            fill:
                a_fill_stores_what_was_loaded,
                a_fill_replaces_the_stale_entry,
                a_repeated_fill_is_refused,
                a_fill_never_replaces_a_newer_schema,
                a_fill_replaces_a_newer_schema_of_another_generation,
                fills_are_answered_in_order;
            late_fill:
                c1_a_delete_ends_the_lease,
                c1_an_invalidate_ends_the_lease,
                c1_a_set_ends_the_lease,
                c1_a_batch_ends_the_lease,
                c1_an_expire_ends_the_lease,
                c1_an_increment_ends_the_lease,
                c1_a_conditional_write_ends_the_lease,
                c1_an_immediate_write_ends_the_lease,
                c1_a_lease_that_ended_by_itself_fills_nothing,
                c1_a_lease_that_another_has_now_fills_nothing,
                c1_a_lease_from_before_a_delete_fills_nothing_under_a_later_one,
                c1_a_release_ends_the_lease,
                c1_a_lease_from_before_a_clear_stands_in_nobodys_way;
            markers:
                c4_what_judges_an_entry_creates_no_marker,
                a_marker_is_made_once_and_stays,
                concurrent_readers_agree_on_a_new_marker,
                c4_a_bump_gives_a_version_never_seen_before,
                an_unknown_marker_can_be_bumped,
                s4_markers_are_separate,
                s4_a_marker_is_no_entry;
            watch:
                c2_writes_are_heard_of,
                c2_updates_are_heard_of,
                c2_fills_are_heard_of,
                c4_bumps_are_heard_of,
                c2_an_id_that_is_told_is_that_of_the_entry_there_now;
            immediate:
                c7_peek_sees_completed_writes,
                peek_goes_by_the_time_it_is_told,
                a_key_that_breaks_the_rules_is_not_there,
                c7_immediate_writes_are_seen_by_the_next_read,
                c7_one_namespace_is_forgotten_whole;
            regions:
                a_reservation_keeps_what_is_there,
                s5_the_limits_hold_and_hold_for_the_region_alone;
            service:
                the_capability_is_constant,
                stats_have_names_and_grow,
                a_working_backend_is_healthy,
                close_reports_nothing_left;
            concurrency:
                a_read_among_writes_sees_one_of_them_whole,
                c7_a_completed_write_is_seen_by_other_tasks,
                a_dropped_write_is_done_or_not_done;
            random:
                random_operations_agree_with_the_reference;
        }
    };
}
