/** What the server's refusals of a stream or a slot mean. */

import { PghaulError } from "../errors/pghaul-error.ts";
import { type SideName, sideCode } from "../model/side.ts";
import { asPghaulError, sqlState } from "../postgres/wrap-error.ts";

/** The fields of a NoticeResponse that are used (manual: "Error and Notice Message Fields"). */
interface Notice {
  readonly message?: string | undefined;
  readonly routine?: string | undefined;
}

interface StreamNames {
  /** The side that is read. */
  readonly side: SideName;
  readonly slot: string;
  readonly publications: readonly string[];
}

/**
 * By SQLSTATE and the server's function where that decides, for messages may come in any language; by the English text only to tell apart
 * what shares both.
 */
export function asStreamError(error: unknown, names: StreamNames): PghaulError {
  const { side, slot } = names;
  const known = asPghaulError(error, side, { slot });
  const { message } = known;
  const routine = (error as { routine?: unknown } | null)?.routine;
  switch (sqlState(error)) {
    case "42704": // undefined_object
      return routine === "get_publication_oid" || /publication/.test(message) ? publicationMissing(message, names) : lost(names, message);
    case "55006": // object_in_use
      return new PghaulError("SLOT_ACTIVE", message, { context: { slot } });
    case "58P01": // undefined_file: the WAL that the slot needs was removed
      return lost(names, message);
    case "55000": // object_not_in_prerequisite_state
      return notReady(names, message, known);
    default:
      return known;
  }
}

/**
 * PostgreSQL 18 streams on without a publication that did not exist at that place in the WAL, and only warns: changes would be missing and
 * nobody would know. Null for any other notice.
 */
export function skippedPublication(notice: Notice, names: StreamNames): PghaulError | null {
  return notice.routine === "LoadPublications" ? publicationMissing(notice.message ?? "a publication was skipped", names) : null;
}

function publicationMissing(message: string, { side, publications }: StreamNames): PghaulError {
  return new PghaulError(sideCode(side, "QUERY"), `${message}; the publication must have existed since before the slot was created`, {
    context: { publications: publications.join(",") },
    suggestion: "A publication that was dropped and created again cannot serve the old slot: pghaul cdc teardown, then start over.",
  });
}

function notReady(names: StreamNames, message: string, known: PghaulError): PghaulError {
  const { side, slot } = names;
  if (/can no longer|cannot read from|invalidated|cannot be used/.test(message)) return lost(names, message);
  if (/not created in this database|physical/.test(message)) return new PghaulError("SLOT_FOREIGN", message, { context: { slot }, side });
  if (/wal_level/.test(message))
    return new PghaulError(sideCode(side, "WAL_LEVEL"), message, { suggestion: "alter system set wal_level = 'logical'" });
  return known;
}

function lost({ side, slot }: StreamNames, message: string): PghaulError {
  return new PghaulError("SLOT_LOST", message, { context: { slot }, side });
}
