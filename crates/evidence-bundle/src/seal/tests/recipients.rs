//! Which texts are recipients, and what is said of the others. The texts were made by a program in Python.

use super::*;

/// Of the identities of 32 times 1 and 2, as `age-keygen -y` prints them.
const ONE: &str = "age15nsf9y4k28p83wth93tf7hafhvfajp45d2mge80ems45gz0c5gys3me64l";
const TWO: &str = "age1e6xn45wvkce7c7msc9upffw8dmxs9959q5xng369hgzcwrjc04vszex59m";
const SECRET: &str = "AGE-SECRET-KEY-1QYQSZQGPQYQSZQGPQYQSZQGPQYQSZQGPQYQSZQGPQYQSZQGPQYQSZ9K4CN";

fn refused(text: &str) -> RecipientError {
    let error = text.parse::<Recipient>().unwrap_err();
    let said = format!("{error} {error:?}");
    assert!(text.len() < 8 || !said.contains(text.get(8..).unwrap()), "{said}");
    error
}

#[test]
fn the_text_is_the_one_of_age() {
    for (byte, text) in [(1, ONE), (2, TWO)] {
        assert_eq!(Identity::of(byte).recipient().to_string(), text);
        assert_eq!(text.parse::<Recipient>().unwrap(), Identity::of(byte).recipient());
    }
}

#[test]
fn a_secret_key_is_told_and_never_shown() {
    let pasted = format!("key={SECRET}");
    let (lower, plugin) = (SECRET.to_ascii_lowercase(), "AGE-PLUGIN-YUBIKEY-1QGPQYQSZQGPQYQSZQ");
    for text in [SECRET, &lower, &pasted, &SECRET[..40], plugin] {
        assert_eq!(refused(text), RecipientError::SecretKey);
    }
}

#[test]
fn other_kinds_of_keys_are_told() {
    let ssh = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ4nNRDxpx8lqRtTQXtOlq5Z8K2VgcMgr1n0xCPDQcTN";
    let plugin = "age1yubikey1qwt50d05nh5vutpdzmlg5wn80xq5negm4uj9ghv0snvdd3yysf5yw3rhl3t";
    let hybrid = format!("age1pq1{}", "q".repeat(1900));
    for text in [ssh, plugin, &hybrid] {
        assert_eq!(refused(text), RecipientError::OtherKind);
    }
}

#[test]
fn what_has_another_form_is_refused() {
    let upper = ONE.to_uppercase();
    let mixed = ONE.replace("15n", "15N");
    let (longer, spaced, slipped) = (format!("{ONE}q"), format!(" {ONE}"), ONE.replacen('l', "1", 1));
    let other_prefix = "agf15nsf9y4k28p83wth93tf7hafhvfajp45d2mge80ems45gz0c5gysexq4m5";
    let short_key = "age15nsf9y4k28p83wth93tf7hafhvfajp45d2mge80ems45gz0c5g5hkhg4";
    for text in ["", "age1", "ä", &ONE[..61], &upper, &mixed, &longer, &spaced, &slipped, other_prefix, short_key] {
        assert_eq!(refused(text), RecipientError::Form, "{text}");
    }
}

#[test]
fn the_checksum_is_the_old_one_and_spare_bits_are_zero() {
    let bech32m = "age15nsf9y4k28p83wth93tf7hafhvfajp45d2mge80ems45gz0c5gysy8fksa";
    let spare_bit = "age15nsf9y4k28p83wth93tf7hafhvfajp45d2mge80ems45gz0c5gy3vdd0gd";
    for text in [bech32m, spare_bit] {
        assert_eq!(refused(text), RecipientError::Checksum);
    }
}

/// `age` 1.1.1 seals for the last of these, which is ONE with its highest bit set, and then nobody can open the file.
#[test]
fn what_no_key_pair_has_is_refused() {
    for text in [
        "age1ahlllllllllllllllllllllllllllllllllllllllllllllllalsn46ayy",
        "age1amlllllllllllllllllllllllllllllllllllllllllllllllalselrwrv",
        "age1allllllllllllllllllllllllllllllllllllllllllllllllalslencen",
        "age1lllllllllllllllllllllllllllllllllllllllllllllllllalsjzdrvv",
        "age15nsf9y4k28p83wth93tf7hafhvfajp45d2mge80ems45gz0c52ys4ltawx",
    ] {
        assert_eq!(refused(text), RecipientError::NoKeys);
    }
}

/// 0, 1, p − 1 and the two of order eight: all that there are below p (<https://cr.yp.to/ecdh.html#validate>).
#[test]
fn points_of_low_order_are_refused() {
    for text in [
        "age1qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqq5cu47z",
        "age1qyqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqj7vrya",
        "age1anlllllllllllllllllllllllllllllllllllllllllllllllals4n2t7m",
        "age1ur4h5lpmgxu2u9jku0a0r87ydtdqnr0tnsetrlvxvgz3vh6fhqqqzyt4v9",
        "age1t7wft09r2zxzfvwsk92eeql0tvzyghxytqwgapkcyf8dm5ylz9ts6wm9s8",
    ] {
        assert_eq!(refused(text), RecipientError::LowOrder);
    }
}

#[test]
fn a_list_may_have_comments_and_empty_lines() {
    let text = format!("# cleared until March\r\n{ONE}\r\n\n  \t\n#{SECRET}\n {TWO} \n# end");
    let recipients = recipients_in(&text).unwrap();
    assert_eq!(recipients, [ONE, TWO].map(|text| text.parse().unwrap()));
}

#[test]
fn a_lists_error_names_the_line_and_nothing_of_it() {
    let key_file = format!("# created: 2026-11-21T09:00:00Z\n# public key: {ONE}\n{SECRET}\n");
    let error = recipients_in(&key_file).unwrap_err();
    assert_eq!(error, RecipientsError::Line { line: 3, source: RecipientError::SecretKey });
    assert_eq!(error.to_string(), "failed to read line 3 of the age recipients");
    let said = format!("{error} {error:?} {}", error.source().unwrap());
    assert!(!said.contains(&SECRET[15..]) && said.contains("`age-keygen -y`"), "{said}");
    let commented = format!("{ONE} # Anna\n");
    assert_eq!(recipients_in(&commented), Err(RecipientsError::Line { line: 1, source: RecipientError::Form }));
    for nothing in ["", "\n\n", "# nobody\n"] {
        assert_eq!(recipients_in(nothing), Err(RecipientsError::Empty));
    }
}

proptest! {
    #[test]
    fn a_key_has_one_text(key in any::<[u8; 32]>()) {
        prop_assert_eq!(bech32::read(&bech32::text(&key)), Some(key));
        // High bit and order apart, any key is a recipient.
        let key = { let mut key = key; key[31] &= 0x7f; key };
        prop_assert_eq!(bech32::text(&key).parse::<Recipient>().unwrap().to_string(), bech32::text(&key));
    }

    #[test]
    fn one_to_four_wrong_letters_are_found(changes in prop::collection::btree_map(4..62_usize, 1..32_u8, 1..=4)) {
        const LETTERS: &str = "qpzry9x8gf2tvdw0s3jn54khce6mua7l";
        let mut letters: Vec<char> = ONE.chars().collect();
        for (at, by) in changes {
            let value = LETTERS.find(letters[at]).unwrap();
            letters[at] = LETTERS.chars().nth((value + usize::from(by)) % 32).unwrap();
        }
        prop_assert_eq!(letters.into_iter().collect::<String>().parse::<Recipient>(), Err(RecipientError::Checksum));
    }

    #[test]
    fn any_text_is_read_or_refused_without_a_panic(text in ".*") {
        let _either = text.parse::<Recipient>();
        let _either = recipients_in(&text);
    }
}
