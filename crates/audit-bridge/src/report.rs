//! `report`: a signed bundle of what is known of a period.
//!
//! Owns which files the bundle has. The same state gives the same files; only the time of making differs.

use crate::args::ReportArgs;
use crate::look::{Period, graded};
use crate::program::{open_reader, print, tell};
use crate::settings::Settings;
use crate::{daemon, exit, replay};
use anyhow::Context as _;
use audit_record::sha256_hex;
use audit_report::{
    Moment, Overall, ReportInput, SessionPart, TranscriptText, coverage_json, finding_json, report, rows, session_json, tables,
    timeline,
};
use audit_state::{AccountFilter, FindingFilter, Reader};
use correlation::{Account, Finding};
use evidence_bundle::bundle::FileSpec;
use evidence_bundle::manifest::{About, Period as Span, Previous, Redaction, Tool};
use evidence_bundle::{SigningKey, Writer, archive, names};
use jiff::Timestamp;
use serde_json::json;
use std::collections::BTreeMap;
use std::path::Path;

/// The version of the rules by which secrets are found.
const RULES: &str = "1";

/// Writes the bundle.
pub(crate) fn write(settings: &Settings, args: &ReportArgs) -> u8 {
    match tried(settings, args) {
        Ok(grade) => {
            let code = daemon::findings_code(settings);
            if grade == audit_facts::Grade::None { exit::INCOMPLETE } else { code }
        }
        Err(error) => {
            tell(&format!("{error:#}"));
            exit::FAILED
        }
    }
}

/// Everything that goes into the bundle.
struct Material {
    period: Period,
    made_at: Timestamp,
    overall: Overall,
    windows: Vec<audit_facts::Coverage>,
    parts: Vec<Part>,
    findings: Vec<Finding>,
    counts: BTreeMap<String, u64>,
}

/// What the bundle says of one session.
struct Part {
    account: Account,
    moments: Vec<Moment>,
    text: Option<TranscriptText>,
}

fn tried(settings: &Settings, args: &ReportArgs) -> anyhow::Result<audit_facts::Grade> {
    let key = SigningKey::load(&args.key)?;
    let anchor = args.anchor_key.as_deref().map(SigningKey::load).transpose()?;
    let reader = open_reader(settings)?;
    let heads = reader.verify()?;
    let made_at = Timestamp::now();
    let material = gather(settings, &reader, args, made_at)?;
    let is_archive = args.out.extension().is_some_and(|extension| extension == "tar");
    if is_archive && args.out.symlink_metadata().is_ok() {
        return Err(archive::ArchiveError::Exists(args.out.clone()).into());
    }
    let folder = if is_archive { args.out.with_extension("bundle") } else { args.out.clone() };
    let mut writer = Writer::begin(&folder)?;
    for (path, what, media_type, content) in files(settings, &material) {
        writer.add(FileSpec { path: &path, what, media_type }, content.as_bytes())?;
    }
    let about = About {
        created: made_at,
        period: Span { from: material.period.from, to: material.period.to },
        tool: Tool { name: "audit-bridge".to_owned(), version: env!("CARGO_PKG_VERSION").to_owned() },
        config_sha256: sha256_hex(json!(settings.shown).to_string().as_bytes()).parse()?,
        coverage: json!({
            "grade": material.overall.grade,
            "sentence": material.overall.sentence,
            "heads": {"commits": head(&heads.commits), "history": head(&heads.history)},
        }),
        previous: Previous::default(),
        redaction: Redaction { rules_version: RULES.to_owned(), counts: material.counts.clone() },
    };
    let sealed = writer.seal(about, &key)?;
    match anchor {
        Some(anchor) => {
            let countersigned = sealed.statement().countersign(&anchor);
            sealed.publish_anchored(vec![countersigned], &key)?;
        }
        None => drop(sealed.publish()?),
    }
    if is_archive {
        packed(&folder, &args.out)?;
    }
    print(&format!("{}\n{}\n", args.out.display(), material.overall.sentence));
    Ok(material.overall.grade)
}

/// The end of one of the state's chains: how many rows it has, and the last one's hash.
fn head((rows, sha256): &(i64, String)) -> serde_json::Value {
    json!({"rows": rows, "sha256": sha256})
}

/// Packs a folder, which is then no longer needed.
fn packed(folder: &Path, out: &Path) -> anyhow::Result<()> {
    archive::write(folder, out)?;
    std::fs::remove_dir_all(folder).with_context(|| format!("failed to remove `{}`", folder.display()))
}

fn gather(settings: &Settings, reader: &Reader, args: &ReportArgs, made_at: Timestamp) -> anyhow::Result<Material> {
    let period = Period::of(&args.period, made_at);
    let windows = reader.coverage(period.from, period.to)?;
    let overall = graded(settings, &windows, period, made_at);
    let accounts =
        reader.sessions(&AccountFilter { from: Some(period.from), to: Some(period.to), ..AccountFilter::default() })?;
    let known = reader.findings(&FindingFilter { from: Some(period.from), to: Some(period.to), ..FindingFilter::default() })?;
    let findings: Vec<Finding> = known.into_iter().map(|known| known.finding).collect();
    let mut counts = BTreeMap::new();
    let mut parts = Vec::new();
    for account in accounts {
        parts.push(part(settings, reader, args, account, &mut counts)?);
    }
    Ok(Material { period, made_at, overall, windows, parts, findings, counts })
}

fn part(
    settings: &Settings,
    reader: &Reader,
    args: &ReportArgs,
    account: Account,
    counts: &mut BTreeMap<String, u64>,
) -> anyhow::Result<Part> {
    let moments = timeline(&reader.facts(&account.facts)?);
    let text = match (args.no_transcripts, account.transcript_evidence.is_some()) {
        (false, true) => replay::body(settings, reader, &account)?.map(|body| replay::redacted(&body)),
        _ => None,
    };
    let text = text.map(|redacted| {
        for (kind, count) in &redacted.counts {
            *counts.entry(kind.clone()).or_default() += count;
        }
        TranscriptText { text: redacted.text, redacted: redacted.counts, is_cut: redacted.is_cut }
    });
    Ok(Part { account, moments, text })
}

type File = (String, &'static str, &'static str, String);

fn files(settings: &Settings, material: &Material) -> Vec<File> {
    let accounts: Vec<Account> = material.parts.iter().map(|part| part.account.clone()).collect();
    let parts = material.parts.iter().map(|part| SessionPart {
        account: &part.account,
        moments: &part.moments,
        transcript: part.text.as_ref(),
    });
    let parts: Vec<SessionPart<'_>> = parts.collect();
    let html = report(&ReportInput {
        coverage: &material.overall,
        windows: &material.windows,
        sessions: &parts,
        findings: &material.findings,
        policy: &settings.policy,
        made_at: material.made_at,
        tool_version: env!("CARGO_PKG_VERSION"),
    });
    let lines = |rows: Vec<serde_json::Value>| rows::json_lines(rows);
    let mut files = vec![
        ("report.html".to_owned(), "report", "text/html; charset=utf-8", html),
        ("sessions.csv".to_owned(), "sessions", "text/csv", tables::sessions_csv(&accounts)),
        ("findings.csv".to_owned(), "findings", "text/csv", tables::findings_csv(&material.findings)),
        ("coverage.csv".to_owned(), "coverage", "text/csv", tables::coverage_csv(&material.windows)),
        ("sessions.jsonl".to_owned(), "sessions", "application/jsonl", lines(accounts.iter().map(session_json).collect())),
        (
            "findings.jsonl".to_owned(),
            "findings",
            "application/jsonl",
            lines(material.findings.iter().map(finding_json).collect()),
        ),
        (
            "coverage.jsonl".to_owned(),
            "coverage",
            "application/jsonl",
            lines(material.windows.iter().map(coverage_json).collect()),
        ),
    ];
    for part in &material.parts {
        if let Some(text) = &part.text {
            files.push((
                format!("transcripts/{}.txt", names::part_of(&part.account.id)),
                "transcript, redacted",
                "text/plain; charset=utf-8",
                text.text.clone(),
            ));
        }
    }
    files
}
