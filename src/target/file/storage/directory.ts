/** What is in the directory of a file target: tables with their newest generation, files of changes, and what a crash left behind. */
import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Lsn } from "../../../model/lsn.ts";
import { damaged, isAbsent, onFiles } from "../file-error.ts";
import {
  CHANGES,
  HELD,
  isData,
  isPartial,
  PUBLISHED,
  parseChangesName,
  parseReadName,
  type ReadName,
  readName,
  TABLE,
  TABLES,
  tablePart,
} from "./layout.ts";
import { type HeldRecord, type ReadRecord, readHeld, readPublished, readSidecar, readTable, type TableRecord } from "./record.ts";

export interface ReadFile extends ReadName {
  readonly record: ReadRecord;
}

/** A table as its newest generation holds it. */
export interface TableFiles extends TableRecord {
  readonly generation: number;
  readonly directory: string;
  readonly reads: readonly ReadFile[];
  readonly published: Lsn | null;
  /** Where this generation ends; null where it does not. */
  readonly held: HeldRecord | null;
}

/** The tables, in the order of their ids. Throws TARGET_DAMAGED. */
export async function listTables(root: string): Promise<readonly TableFiles[]> {
  const tables: TableFiles[] = [];
  for (const part of await namesIn(join(root, TABLES))) {
    const files = await readNewest(join(root, TABLES, part));
    if (files !== null) tables.push(files);
  }
  return tables.sort((a, b) => (a.table.id < b.table.id ? -1 : 1));
}

/** One table by its id; null where there is none. Throws TARGET_DAMAGED. */
export function openTable(root: string, id: string): Promise<TableFiles | null> {
  return readNewest(join(root, TABLES, tablePart(id)));
}

/** All generations of a table that are still there, oldest first. */
export async function listGenerations(root: string, id: string): Promise<readonly TableFiles[]> {
  const parent = join(root, TABLES, tablePart(id));
  const numbers = (await namesIn(parent)).filter(isGeneration).map(Number);
  return Promise.all(numbers.sort((a, b) => a - b).map((generation) => readGeneration(join(parent, String(generation)), generation)));
}

export function isReadableAt({ published, held }: TableFiles, position: Lsn): boolean {
  return published !== null && published <= position && (held === null || position <= held.lsn);
}

/** The stretches of the files of changes, in order. */
export async function listChanges(root: string): Promise<readonly { readonly from: Lsn; readonly to: Lsn }[]> {
  const names = (await namesIn(join(root, CHANGES))).sort();
  return names.flatMap((name) => parseChangesName(name) ?? []);
}

/** Removes what a crash left: files that were being written, data without its sidecar, generations that do not count any more. */
export async function removeLeavings(root: string): Promise<void> {
  await removeFrom(root, isPartial);
  await removeFrom(join(root, CHANGES), unfinished);
  for (const part of await namesIn(join(root, TABLES))) {
    const parent = join(root, TABLES, part);
    const newest = newestGeneration(await namesIn(parent));
    await removeFrom(parent, isPartial);
    for (const name of await namesIn(parent)) {
      if (newest !== null && isGeneration(name) && Number(name) < newest) await removeUnreadable(join(parent, name));
    }
    if (newest !== null) await removeFrom(join(parent, String(newest)), unfinished);
  }
}

/** An older generation stays where it tells the table up to where the next begins. Whether it does, its two small files say. */
async function removeUnreadable(directory: string): Promise<void> {
  const names = new Set(await namesIn(directory));
  if (!names.has(PUBLISHED) || !names.has(HELD)) await onFiles(directory, () => rm(directory, { recursive: true, force: true }));
}

async function readNewest(parent: string): Promise<TableFiles | null> {
  const generation = newestGeneration(await namesIn(parent));
  return generation === null ? null : readGeneration(join(parent, String(generation)), generation);
}

async function readGeneration(directory: string, generation: number): Promise<TableFiles> {
  const record = await readTable(join(directory, TABLE));
  // Before the listing: read behind it, it could tell of a read that came in between.
  const published = await readPublished(join(directory, PUBLISHED));
  const held = await readHeld(join(directory, HELD));
  const reads: ReadFile[] = [];
  for (const name of await namesIn(directory)) {
    const read = parseReadName(name);
    if (read !== null) reads.push({ ...read, record: await readSidecar(join(directory, `${readName(read)}.json`)) });
  }
  const found = new Set(reads.map(readName));
  const lost = published?.reads.find((name) => !found.has(name));
  if (lost !== undefined) throw damaged(join(directory, `${lost}.json`), "is missing, and the table is not complete without it");
  return { ...record, generation, directory, reads, published: published?.position ?? null, held };
}

function newestGeneration(names: readonly string[]): number | null {
  return names.reduce<number | null>((newest, name) => (isGeneration(name) ? Math.max(newest ?? 0, Number(name)) : newest), null);
}

function isGeneration(name: string): boolean {
  return /^\d+$/.test(name);
}

/** A partial file, or data of ours without its sidecar. What somebody else has put there stays. */
function unfinished(name: string, names: ReadonlySet<string>): boolean {
  return isPartial(name) || (isData(name) && !names.has(`${name.replace(/\..*$/, "")}.json`));
}

async function removeFrom(directory: string, isLeaving: (name: string, names: ReadonlySet<string>) => boolean): Promise<void> {
  const names = new Set(await namesIn(directory));
  for (const name of names) {
    const path = join(directory, name);
    if (isLeaving(name, names)) await onFiles(path, () => rm(path, { recursive: true }));
  }
}

async function namesIn(directory: string): Promise<string[]> {
  try {
    return await readdir(directory);
  } catch (error) {
    if (isAbsent(error)) return [];
    return onFiles(directory, () => Promise.reject(error));
  }
}
