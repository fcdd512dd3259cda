import { createHash } from "node:crypto";
import { hostname, userInfo } from "node:os";
import { canonicalJson } from "../../model/canonical-json.ts";
import { jsonText } from "../../observe/json-text.ts";
import type { StateDatabase } from "../state-database.ts";

export interface JournalEntry {
  readonly seq: number;
  /** ISO 8601. */
  readonly at: string;
  readonly user: string;
  readonly host: string;
  readonly pid: number;
  readonly kind: string;
  readonly migration: string;
  readonly planDigest: string | null;
  /** What was seen or done; 64-bit numbers as decimal text. */
  readonly evidence: Readonly<Record<string, unknown>>;
  /** The hash of the entry before; 64 zeros for the first. */
  readonly prevHash: string;
  /** SHA-256, in hex, of `prevHash` and the canonical JSON of all other fields. */
  readonly hash: string;
}

/** `broken` is the first entry that does not follow from the one before, or null. */
export interface JournalCheck {
  readonly entries: number;
  /** Hash of the last entry: whoever noted it elsewhere can tell that none were cut off the end, which the chain alone cannot show. */
  readonly head: string;
  readonly broken: { readonly seq: number; readonly why: string } | null;
}

interface JournalRow {
  readonly seq: number;
  readonly at: string;
  readonly user: string;
  readonly host: string;
  readonly pid: number;
  readonly kind: string;
  readonly migration: string;
  readonly plan_digest: string | null;
  readonly evidence: string;
  readonly prev_hash: string;
  readonly hash: string;
}

type Content = Omit<JournalEntry, "prevHash" | "hash">;

const BEFORE_THE_FIRST = "0".repeat(64);

/** Who did what, when, on what evidence: append-only, each entry hashed over the one before. SQLite's triggers refuse changes. */
export class JournalStore {
  readonly #database: StateDatabase;
  readonly #migration: string;

  constructor(database: StateDatabase, migration: string) {
    this.#database = database;
    this.#migration = migration;
  }

  /** Appends an entry, in the caller's transaction if there is one. Evidence must hold neither row values nor secrets. */
  append(kind: string, evidence: Readonly<Record<string, unknown>>, planDigest: string | null = null): JournalEntry {
    return this.#database.write(() => {
      const last = this.#database.sqlite
        .prepare<[], { seq: number; hash: string }>("select seq, hash from journal order by seq desc limit 1")
        .get();
      // A statement that fixes something may quote a function or a view of the databases, with whatever stands in it.
      const evidenceText = canonicalJson(JSON.parse(jsonText(JSON.parse(canonicalJson(evidence)))));
      const prevHash = last?.hash ?? BEFORE_THE_FIRST;
      const content: Content = {
        seq: (last?.seq ?? 0) + 1,
        at: new Date().toISOString(),
        user: userName(),
        host: hostname(),
        pid: process.pid,
        kind,
        migration: this.#migration,
        planDigest,
        evidence: JSON.parse(evidenceText) as Record<string, unknown>,
      };
      const hash = hashOf(prevHash, content);
      this.#database.sqlite
        .prepare(
          "insert into journal (seq, at, user, host, pid, kind, migration, plan_digest, evidence, prev_hash, hash) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        )
        .run(
          content.seq,
          content.at,
          content.user,
          content.host,
          content.pid,
          kind,
          content.migration,
          planDigest,
          evidenceText,
          prevHash,
          hash,
        );
      return { ...content, prevHash, hash };
    });
  }

  /** All entries in order. */
  entries(): readonly JournalEntry[] {
    return this.#database.read(() => this.#rows().map(toEntry));
  }

  /** Walks the whole chain. */
  verify(): JournalCheck {
    return this.#database.read(() => {
      let head = BEFORE_THE_FIRST;
      let entries = 0;
      for (const row of this.#rows()) {
        const why = faultOf(row, entries + 1, head);
        if (why !== null) return { entries, head, broken: { seq: row.seq, why } };
        head = row.hash;
        entries += 1;
      }
      return { entries, head, broken: null };
    });
  }

  #rows(): JournalRow[] {
    return this.#database.sqlite.prepare<[], JournalRow>("select * from journal order by seq").all();
  }
}

function faultOf(row: JournalRow, seq: number, head: string): string | null {
  if (row.seq !== seq) return `entry ${seq} is missing`;
  if (row.prev_hash !== head) return "it does not name the hash of the entry before";
  try {
    const { prevHash, hash, ...content } = toEntry(row);
    return hashOf(prevHash, content) === hash ? null : "its content does not match its hash";
  } catch {
    return "its evidence is not JSON";
  }
}

function hashOf(prevHash: string, content: Content): string {
  return createHash("sha256").update(prevHash).update(canonicalJson(content)).digest("hex");
}

function toEntry(row: JournalRow): JournalEntry {
  const { plan_digest, prev_hash, evidence, ...same } = row;
  return { ...same, planDigest: plan_digest, prevHash: prev_hash, evidence: JSON.parse(evidence) as Record<string, unknown> };
}

/** The person at the keyboard, also behind sudo. In a container the user may have no name. */
function userName(): string {
  const { SUDO_USER } = process.env;
  if (SUDO_USER !== undefined && SUDO_USER !== "") return SUDO_USER;
  try {
    return userInfo().username;
  } catch {
    return `uid ${process.getuid?.() ?? "unknown"}`;
  }
}
