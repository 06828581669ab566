//! `docs/wire-format.md` and the bytes agree. Nothing here goes through the code under test.

use std::fs;
use std::path::Path;

use crate::fixtures::fixtures;

/// CRC-32/ISO-HDLC, bit by bit, as the specification defines it.
fn crc(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            if crc & 1 == 1 {
                crc >> 1 ^ 0xEDB8_8320
            } else {
                crc >> 1
            }
        })
    })
}

fn number(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0, |number, byte| number << 8 | u64::from(*byte))
}

#[test]
fn checksums_cover_what_is_documented() {
    assert_eq!(crc(b"123456789"), 0xCBF4_3926);
    for fixture in fixtures() {
        let bytes = fixture.bytes();
        let extension = if bytes[3] & 4 == 0 {
            0
        } else {
            2 + usize::try_from(number(&bytes[48..50])).unwrap()
        };
        let (extension, payload) = bytes[48..].split_at(extension);
        let checked = [fixture.stored_name.as_bytes(), &bytes[..24], extension].concat();
        assert_eq!(
            number(&bytes[40..44]),
            u64::from(crc(&checked)),
            "{}",
            fixture.file
        );
        let payload_checksum = if bytes[3] & 3 == 1 { 0 } else { crc(payload) };
        assert_eq!(
            number(&bytes[44..48]),
            u64::from(payload_checksum),
            "{}",
            fixture.file
        );
    }
}

#[test]
fn fields_stand_where_they_are_documented() {
    let bytes = |file| {
        fixtures()
            .into_iter()
            .find(|fixture| fixture.file == file)
            .unwrap()
            .bytes()
    };
    let tagged = bytes("tagged.bin");
    assert_eq!(tagged[..4], [0xC1, 1, 2, 0b0000_0100]);
    assert_eq!(number(&tagged[4..8]), 3);
    assert_eq!(number(&tagged[8..16]), 0x1122_3344_5566_7788);
    assert_eq!(number(&tagged[16..24]), 0x0a0b_0c0d_0e0f_1011);
    assert_eq!(number(&tagged[24..30]), 1_780_000_000_000);
    assert_eq!(number(&tagged[30..35]), 300_000);
    assert_eq!(number(&tagged[35..40]), 3_900_000);
    assert_eq!(bytes("forever.bin")[30..40], [0xff; 10]);
    for (file, flags) in [
        ("raw.bin", 0),
        ("counter.bin", 1),
        ("absent.bin", 2),
        ("placeholder.bin", 3),
        ("framed.bin", 2 << 3),
    ] {
        assert_eq!(bytes(file)[3], flags, "{file}");
    }
    assert_eq!(bytes("counter.bin")[48..], (-300_i64).to_be_bytes());
}

#[test]
fn the_worked_example_is_a_fixture() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/wire-format.md");
    let page = fs::read_to_string(page).unwrap();
    let (_, example) = page.split_once("```hex\n").unwrap();
    let (example, _) = example.split_once("```").unwrap();
    let bytes: Vec<u8> = example
        .lines()
        .flat_map(|line| line.split_once(" | ").unwrap().0.split_whitespace())
        .map(|byte| u8::from_str_radix(byte, 16).unwrap())
        .collect();
    let tagged = fixtures()
        .into_iter()
        .find(|fixture| fixture.file == "tagged.bin")
        .unwrap();
    assert_eq!(bytes, tagged.bytes());
}
