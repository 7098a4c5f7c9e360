//! `report`: a signed bundle of what is known of a period.
//!
//! Owns which files the bundle has. The same state gives the same files; the time of making differs, and sealed files, which have
//! chance in them.

mod given;
mod transcripts;

use crate::args::ReportArgs;
use crate::look::{Period, graded};
use crate::program::{open_reader, print, tell};
use crate::settings::Settings;
use crate::{daemon, exit};
use audit_facts::{Coverage, Grade};
use audit_record::sha256_hex;
use audit_report::{
    Moment, Overall, ReportInput, SessionPart, TranscriptText, coverage_json, finding_json, report, rows, session_json, tables,
    timeline,
};
use audit_state::{AccountFilter, FindingFilter, Heads, Reader};
use correlation::{Account, Finding};
use evidence_bundle::bundle::FileSpec;
use evidence_bundle::manifest::{About, Period as Span, Previous, Redaction, Tool};
use evidence_bundle::{BundleError, Sealed, Writer};
use given::Given;
use jiff::Timestamp;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use transcripts::{LeftOut, Transcripts};

/// The version of the rules by which secrets are found.
const RULES: &str = "1";

/// Writes the bundle.
pub(crate) fn write(settings: &Settings, args: &ReportArgs) -> u8 {
    let given = match Given::read(args) {
        Ok(given) => given,
        Err(refused) => {
            tell(&format!("{:#}", refused.error));
            return refused.code;
        }
    };
    match tried(settings, args, &given) {
        Ok(is_complete) => {
            let code = daemon::findings_code(settings);
            if is_complete { code } else { exit::INCOMPLETE }
        }
        Err(error) => {
            tell(&format!("{error:#}"));
            exit::FAILED
        }
    }
}

/// What the bundle's tables and its page are made of.
struct Material {
    period: Period,
    made_at: Timestamp,
    overall: Overall,
    windows: Vec<Coverage>,
    accounts: Vec<Account>,
    /// In the order of the accounts.
    shown: Vec<(Vec<Moment>, Option<TranscriptText>)>,
    findings: Vec<Finding>,
    counts: BTreeMap<String, u64>,
    left_out: Vec<LeftOut>,
}

/// Writes all, and says whether it is complete.
fn tried(settings: &Settings, args: &ReportArgs, given: &Given) -> anyhow::Result<bool> {
    let reader = open_reader(settings)?;
    let heads = reader.verify()?;
    let mut writer = Writer::begin(&args.out)?;
    let material = gather(settings, &reader, args, given, &mut writer)?;
    add_files(settings, &material, &mut writer)?;
    let sealed = writer.seal(about(settings, &material, &heads)?, &given.key)?;
    publish(sealed, args, given)?;
    print(&format!("{}\n{}\n", args.out.display(), material.overall.sentence));
    Ok(material.overall.grade != Grade::None && material.left_out.is_empty())
}

fn about(settings: &Settings, material: &Material, heads: &Heads) -> anyhow::Result<About> {
    Ok(About {
        created: material.made_at,
        period: Span { from: material.period.from, to: material.period.to },
        tool: Tool { name: "audit-bridge".to_owned(), version: env!("CARGO_PKG_VERSION").to_owned() },
        config_sha256: sha256_hex(json!(settings.shown).to_string().as_bytes()).parse()?,
        coverage: json!({
            "grade": material.overall.grade,
            "sentence": material.overall.sentence,
            "heads": {"commits": head(&heads.commits), "history": head(&heads.history)},
            "left_out": material.left_out,
        }),
        previous: Previous::default(),
        redaction: Redaction { rules_version: RULES.to_owned(), counts: material.counts.clone() },
    })
}

fn publish(sealed: Sealed, args: &ReportArgs, given: &Given) -> anyhow::Result<()> {
    let sealed = match &given.anchor {
        Some(anchor) => {
            let countersigned = sealed.statement().countersign(anchor);
            sealed.anchored(vec![countersigned], &given.key)?
        }
        None => sealed,
    };
    if args.out.extension().is_some_and(|extension| extension == "tar") {
        sealed.publish_archive()?;
    } else {
        sealed.publish()?;
    }
    Ok(())
}

/// The end of one of the state's chains: how many rows it has, and the last one's hash.
fn head((rows, sha256): &(i64, String)) -> Value {
    json!({"rows": rows, "sha256": sha256})
}

/// Reads what is known; each transcript goes into the bundle on the way.
fn gather(
    settings: &Settings,
    reader: &Reader,
    args: &ReportArgs,
    given: &Given,
    writer: &mut Writer,
) -> anyhow::Result<Material> {
    let made_at = Timestamp::now();
    let period = Period::of(&args.period, made_at);
    let (from, to) = (Some(period.from), Some(period.to));
    let windows = crate::expected::shown(reader.coverage(period.from, period.to)?);
    let overall = graded(settings, reader, &windows, period, made_at)?;
    let accounts = reader.sessions(&AccountFilter { from, to, ..AccountFilter::default() })?;
    let known = reader.findings(&FindingFilter { from, to, ..FindingFilter::default() })?;
    let findings: Vec<Finding> = known.into_iter().map(|known| known.finding).collect();
    let mut transcripts = Transcripts::new(settings, reader, args, &given.recipients, &accounts);
    let mut shown = Vec::with_capacity(accounts.len());
    for account in &accounts {
        let moments = timeline(&reader.facts(&account.facts)?);
        shown.push((moments, transcripts.add(account, writer)?));
    }
    let Transcripts { counts, left_out, .. } = transcripts;
    Ok(Material { period, made_at, overall, windows, accounts, shown, findings, counts, left_out })
}

fn add_files(settings: &Settings, material: &Material, writer: &mut Writer) -> Result<(), BundleError> {
    let Material { accounts, findings, windows, .. } = material;
    let mut add = |path: &str, media_type: &str, content: String| {
        let what = path.split('.').next().unwrap_or(path);
        writer.add(FileSpec { path, what, media_type }, content.as_bytes()).map(drop)
    };
    add("report.html", "text/html; charset=utf-8", page(settings, material))?;
    add("sessions.csv", "text/csv", tables::sessions_csv(accounts))?;
    add("findings.csv", "text/csv", tables::findings_csv(findings))?;
    add("coverage.csv", "text/csv", tables::coverage_csv(windows))?;
    let lines = "application/jsonl";
    add("sessions.jsonl", lines, rows::json_lines(accounts.iter().map(session_json)))?;
    add("findings.jsonl", lines, rows::json_lines(findings.iter().map(finding_json)))?;
    add("coverage.jsonl", lines, rows::json_lines(windows.iter().map(coverage_json)))
}

fn page(settings: &Settings, material: &Material) -> String {
    let parts = material.accounts.iter().zip(&material.shown);
    let parts = parts.map(|(account, (moments, text))| SessionPart { account, moments, transcript: text.as_ref() });
    let sessions: Vec<SessionPart<'_>> = parts.collect();
    report(&ReportInput {
        coverage: &material.overall,
        windows: &material.windows,
        sessions: &sessions,
        findings: &material.findings,
        policy: &settings.policy,
        made_at: material.made_at,
        tool_version: env!("CARGO_PKG_VERSION"),
    })
}
