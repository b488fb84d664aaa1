//! Findings as SARIF 2.1.0, by which code hosts show them in the line they are about.

use super::Report;
use crate::checks::table::CHECKS;
use serde_json::{Value, json};

/// The findings of a report. `version` is that of the program; paths are seen from the target.
pub fn sarif(report: &Report, version: &str) -> Value {
    let rules: Vec<Value> = CHECKS
        .iter()
        .map(|check| {
            json!({
                "id": check.id,
                "name": check.name,
                "shortDescription": { "text": check.finds },
                "fullDescription": { "text": check.why },
                "help": { "text": check.mend },
                "defaultConfiguration": { "level": check.severity.name() },
            })
        })
        .collect();
    let results: Vec<Value> = report
        .findings
        .iter()
        .map(|finding| {
            let mut message = finding.message.clone();
            for more in finding.evidence.iter().chain(&finding.suggestion) {
                message.push('\n');
                message.push_str(more);
            }
            let mut result = json!({
                "ruleId": finding.id,
                "ruleIndex": CHECKS.iter().position(|check| check.id == finding.id),
                "level": finding.severity.name(),
                "message": { "text": message },
            });
            if !finding.file.is_empty() {
                let mut place = json!({ "artifactLocation": { "uri": finding.file, "uriBaseId": "TARGET" } });
                if finding.line > 0 {
                    place["region"] = json!({ "startLine": finding.line, "endLine": finding.last_line });
                }
                result["locations"] = json!([{ "physicalLocation": place }]);
            }
            result
        })
        .collect();
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "libellus footprint",
                "version": version,
                "rules": rules,
            } },
            "results": results,
        }],
    })
}
