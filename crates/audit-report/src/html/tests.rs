//! The page: its first line, its bounds, and what hostile texts make of it.

use super::*;
use crate::grade::coverage_grade;
use crate::samples::{HOSTILE, Scene, at, steers};
use audit_facts::Source;

const SOURCES: [Source; 5] = [Source::BoundaryApi, Source::CloudTrail, Source::ExecLogs, Source::Links, Source::SyncRecords];

fn page_of(scene: &Scene) -> String {
    let overall = coverage_grade(&scene.windows, &SOURCES, at(0), at(86_400));
    let sessions: Vec<SessionPart<'_>> = scene
        .sessions
        .iter()
        .map(|(account, moments, transcript)| SessionPart { account, moments, transcript: transcript.as_ref() })
        .collect();
    report(&ReportInput {
        coverage: &overall,
        windows: &scene.windows,
        sessions: &sessions,
        findings: &scene.findings,
        policy: &scene.policy,
        made_at: at(90_000),
        tool_version: &scene.tool_version,
    })
}

#[test]
fn the_coverage_comes_first_and_nothing_comes_from_elsewhere() {
    let page = page_of(&Scene::of(3));
    let body = page.split_once("<body><main>").unwrap().1;
    assert!(
        body.starts_with("<p id=grade class=\"grade unread\"><strong>none</strong> <span>Coverage is none, "),
        "{}",
        &body[..300]
    );
    assert!(page.contains("content=\"default-src 'none'; style-src 'unsafe-inline'\""));
    for outside in ["<script", "src=", "@import", "url(", "http:", "https:", " on"] {
        let markup =
            if outside == " on" { attributes(&page).into_iter().any(|it| it.starts_with("on")) } else { page.contains(outside) };
        assert!(!markup, "{outside}");
    }
}

#[test]
fn somebody_who_never_saw_it_is_told_how_to_read_it() {
    let page = page_of(&Scene::of(1));
    let (_, reading) = page.split_once("id=reading>").unwrap();
    let states = ["open", "provisional", "confirmed", "resolved"].map(|word| format!(">{word}</span><dd>"));
    let words = [
        "aws",
        "operator",
        "container",
        "client",
        "agrees",
        "disagrees",
        "silent",
        "not applicable",
        "attested",
        "corroborated",
        "asserted",
        "inferred",
        "none",
        "unknown",
        "proved",
        "best effort",
    ];
    for explained in states.into_iter().chain(words.map(|word| format!("<dt>{word}<dd>"))) {
        assert!(reading.contains(&explained), "{explained}");
    }
    assert!(reading.contains("<pre>audit-bridge verify BUNDLE --key KEY.pub</pre>"));
    assert!(page.split_once("id=reading>").unwrap().0.contains("href=\"#reading\""));
}

#[test]
fn every_link_leads_somewhere() {
    let page = page_of(&Scene::of(40));
    let after = |mark: &str, end: &[char]| -> Vec<String> {
        page.split(mark).skip(1).map(|rest| rest.split(end).next().unwrap().to_owned()).collect()
    };
    let ids = after(" id=", &[' ', '>', '"']);
    let links = after("href=\"#", &['"']);
    assert!(links.len() > 20);
    assert!(links.iter().all(|link| ids.contains(link)), "{links:?} {ids:?}");
    let mut unique = ids.clone();
    unique.sort();
    unique.dedup();
    assert_eq!(unique.len(), ids.len(), "an id names one thing");
}

/// Writes the page to `AUDIT_REPORT_PAGE` when that is set, to be looked at.
#[test]
fn a_thousand_sessions_stay_small() {
    let page = page_of(&Scene::of(1000));
    if let Some(path) = std::env::var_os("AUDIT_REPORT_PAGE") {
        std::fs::write(&path, page_of(&Scene::of(24))).unwrap();
        std::fs::write(std::path::Path::new(&path).with_extension("1000.html"), &page).unwrap();
    }
    assert!(page.len() < 5_000_000, "{} bytes", page.len());
    assert_eq!(page.matches("<details class=session>").count(), 1000);
}

#[test]
fn transcripts_of_any_length_stay_small_and_say_where_the_rest_is() {
    let mut scene = Scene::of(512);
    let text = "<\u{34f}>\n".repeat(16 * 1024);
    for (_, _, transcript) in &mut scene.sessions {
        *transcript = Some(TranscriptText { text: text.clone(), ..TranscriptText::default() });
    }
    let page = page_of(&scene);
    assert!(page.len() < 24_000_000, "{} bytes", page.len());
    assert_eq!(page.matches("This is its beginning").count(), 512);
}

#[test]
fn lines_without_characters_stay_small_too() {
    let mut scene = Scene::of(2);
    scene.sessions[0].2 = Some(TranscriptText { text: "\n".repeat(1 << 20), ..TranscriptText::default() });
    let page = page_of(&scene);
    assert!(page.len() < 500_000, "{} bytes", page.len());
    assert!(page.contains("This is its beginning"));
}

#[test]
fn a_beginning_names_the_file_that_has_all_and_what_was_not_read_says_why() {
    let mut scene = Scene::of(2);
    let file = Some("transcripts/s<1>.txt".to_owned());
    scene.sessions[0].2 =
        Some(TranscriptText { text: "short".to_owned(), is_beginning: true, file, ..TranscriptText::default() });
    scene.sessions[1].2 = Some(TranscriptText { unread: Some("gone & <lost>".to_owned()), ..TranscriptText::default() });
    let page = page_of(&scene);
    assert!(page.contains("the bundle has all of it under <code>transcripts/s&lt;1&gt;.txt</code>"));
    assert!(page.contains("Its transcript could not be read and is not in this report: gone &amp; &lt;lost&gt;</p>"));
    assert_eq!(page.matches("<details class=transcript>").count(), 1);
}

/// Source: WCAG 2.2, success criterion 1.4.3 and its definition of relative luminance.
#[test]
fn every_text_stands_out_by_light_and_by_dark() {
    let sheet = include_str!("report.css");
    let palettes: Vec<&str> = sheet.split(":root{").skip(1).map(|rest| rest.split('}').next().unwrap()).collect();
    assert_eq!(palettes.len(), 2);
    for palette in palettes {
        let of = |name: &str| {
            let hex = palette.split(&format!("--{name}:#")).nth(1).unwrap().split([';', '\n']).next().unwrap();
            luminance(hex)
        };
        let texts =
            ["ink", "quiet", "link", "good", "careful", "bad"].map(|name| ["paper", "card", "wash"].map(|under| (name, under)));
        let chips = [("c-ink", "c-bg"), ("h-ink", "h-bg"), ("m-ink", "m-bg"), ("l-ink", "l-bg"), ("i-ink", "i-bg")];
        for (over, under) in texts.into_iter().flatten().chain(chips) {
            let (one, other) = (of(over), of(under));
            assert!((one.max(other) + 0.05) / (one.min(other) + 0.05) >= 4.5, "{over} on {under}");
        }
    }
}

fn luminance(hex: &str) -> f64 {
    let hex = if hex.len() == 3 { hex.chars().flat_map(|c| [c, c]).collect() } else { hex.to_owned() };
    let channel = |at: usize| {
        let value = f64::from(u8::from_str_radix(&hex[at..at + 2], 16).unwrap()) / 255.0;
        if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
    };
    0.2126 * channel(0) + 0.7152 * channel(2) + 0.0722 * channel(4)
}

#[test]
fn the_same_input_in_another_order_makes_the_same_page() {
    let mut scene = Scene::of(12);
    let page = page_of(&scene);
    scene.sessions.reverse();
    scene.findings.reverse();
    assert_eq!(page_of(&scene), page);
}

#[test]
fn hostile_texts_stay_texts_in_every_field() {
    let plain = tags(&page_of(&Scene::filled("plain")));
    for text in HOSTILE {
        let page = page_of(&Scene::filled(text));
        assert!(tags(&page).iter().all(|tag| plain.contains(tag)), "{text:?} made a tag");
        let steering = page.chars().find(|c| steers(*c));
        assert_eq!(steering, None, "{text:?}");
        for attribute in attributes(&page) {
            assert!(!attribute.starts_with("on") && !attribute.contains("javascript"), "{attribute} by {text:?}");
        }
    }
}

/// The tags of a page, as they stand, without those that only show a character that deceives.
fn tags(page: &str) -> std::collections::BTreeSet<String> {
    let tags = page.split('<').skip(1).map(|rest| rest.split('>').next().unwrap());
    tags.filter(|tag| *tag != "span class=odd").map(str::to_owned).collect()
}

/// The words inside all tags.
fn attributes(page: &str) -> Vec<String> {
    tags(page).iter().flat_map(|tag| tag.split(' ').skip(1).map(str::to_lowercase).collect::<Vec<_>>()).collect()
}
