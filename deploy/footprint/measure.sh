#!/usr/bin/env bash
# What the action does: TARGET, BUDGET (one a line), BEFORE and SARIF are its inputs. The worst exit code is its own.
set -uo pipefail

budgets=()
while IFS= read -r budget; do
    [ -z "$budget" ] || budgets+=("--budget=$budget")
done <<< "${BUDGET:-}"

outcome=0
if [ -n "${SARIF:-}" ]; then
    # Findings that are errors end it with 1, as they do below.
    libellus footprint "${TARGET:-.}" --sarif > "$SARIF" || [ $? -eq 1 ] || outcome=$?
fi
if [ -n "${BEFORE:-}" ]; then
    libellus footprint diff "$BEFORE" "${TARGET:-.}" "${budgets[@]}" >> "${GITHUB_STEP_SUMMARY:-/dev/stdout}" || outcome=$?
fi
libellus footprint "${TARGET:-.}" "${budgets[@]}" || outcome=$?
exit "$outcome"
