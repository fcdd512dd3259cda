import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { CANARY, type Move } from "../scenario/move-bench.ts";
import { assertEqualDatabases } from "../support/compare.ts";
import type { CliEnvelope, CliResult } from "../support/run-cli.ts";

export interface Refusal {
  readonly code: string;
  readonly exit: number;
  /** What the operator must be able to read, in the message, its causes or its advice. */
  readonly says: RegExp;
  /** What must not stand there: values of rows. */
  readonly hides?: RegExp;
}

/** The command is refused in text and under --json with the same code, the same exit, advice, and nothing that does not belong there. */
export async function assertRefuses(move: Move, args: readonly string[], refusal: Refusal): Promise<CliEnvelope> {
  assertRefused(move, await move.run(args), refusal);
  return assertRefusedJson(move, await move.run([...args, "--json"]), refusal);
}

export function assertRefused(move: Move, result: CliResult, { code, exit, says, hides }: Refusal): void {
  const shown = `exit ${result.code ?? result.signal}\n${result.stdout}\n${result.stderr}`;
  assert.equal(result.code, exit, shown);
  assert.match(result.stderr, new RegExp(`^Code: ${code}$`, "m"));
  assert.match(result.stderr, says);
  assert.match(result.stderr, /^Try this: \S/m);
  assertClean(move, result, hides);
}

export function assertRefusedJson(move: Move, result: CliResult, { code, exit, says, hides }: Refusal): CliEnvelope {
  const envelope = result.json();
  assert.equal(envelope.error?.code, code, result.stdout);
  assert.equal(envelope.ok, false);
  assert.equal(envelope.error?.exit, exit);
  assert.equal(result.code, exit, result.stdout);
  assert.match([envelope.error?.message, envelope.error?.suggestion, ...(envelope.error?.causes ?? [])].join("\n"), says);
  assert.notEqual(envelope.error?.suggestion ?? "", "");
  assertClean(move, result, hides);
  return envelope;
}

/** No stack, no secret, nothing of the secret in any file that pghaul keeps. */
function assertClean(move: Move, { stdout, stderr }: CliResult, hides?: RegExp): void {
  for (const text of [stdout, stderr]) {
    assert.doesNotMatch(text, /^\s+at \S.*:\d+:\d+/m, "a stack is shown");
    assert.doesNotMatch(text, new RegExp(CANARY), "the password is shown");
    if (hides !== undefined) assert.doesNotMatch(text, hides, "a value is shown");
  }
  assertNoSecretKept(move);
}

export function assertNoSecretKept({ dir }: Move): void {
  for (const file of readdirSync(dir, { recursive: true, withFileTypes: true })) {
    if (!file.isFile() || file.name === "pghaul.yaml") continue;
    const path = join(file.parentPath, file.name);
    assert.ok(!readFileSync(path, "latin1").includes(CANARY), `${path} holds the password`);
  }
}

/** What was in the way is mended: `run` goes on, and nothing is missing. */
export async function assertGoesOn(move: Move): Promise<void> {
  const result = await move.run(["run", "--until", "caught-up"]);
  assert.equal(result.code, 0, result.stderr);
  await assertEqualDatabases(move.sourceDb.url, move.targetDb.url);
  assertNoSecretKept(move);
}
