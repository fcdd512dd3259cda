/** Decodes transactions of one segment, one block in memory at a time. */
import type { FileHandle } from "node:fs/promises";
import { basename } from "node:path";
import type { TransactionPiece } from "../../model/change.ts";
import type { Lsn } from "../../model/lsn.ts";
import { decodeMessage } from "../../pgoutput/decode.ts";
import { frameEnd, frameStart } from "../../pgoutput/frames.ts";
import { MESSAGE_TYPE, type Message } from "../../pgoutput/messages.ts";
import { carriesRow, skimRelation } from "../../pgoutput/skim.ts";
import type { MessageBlock, RecentBlocks } from "../segment/recent-blocks.ts";
import { needBlock, openSegment } from "../segment/segment-file.ts";
import { corrupt, decodeBlock, decodeBlockHeader, holdsMessages } from "../segment/segment-format.ts";
import type { TransactionIndex } from "../segment/transaction-index.ts";
import { toChange } from "./change-decoder.ts";
import { PieceCollector } from "./piece-collector.ts";
import type { RelationMap } from "./relation-map.ts";

export interface SegmentContent {
  readonly path: string;
  readonly index: TransactionIndex;
  readonly recent: RecentBlocks | null;
}

export class SegmentReader {
  readonly #path: string;
  readonly #recent: RecentBlocks | null;
  readonly #index: TransactionIndex;
  readonly #relations: RelationMap;
  readonly #wantedOids: ReadonlySet<number>;
  readonly #wantedSets = new Map<number, boolean>();
  #learnt = 0;
  #file: FileHandle | null = null;
  #block: MessageBlock | null = null;

  /** `relations` goes on from segment to segment; `wanted` are table ids. */
  constructor({ path, index, recent }: SegmentContent, relations: RelationMap, wanted: ReadonlySet<string>) {
    this.#path = path;
    this.#index = index;
    this.#recent = recent;
    this.#relations = relations;
    this.#wantedOids = relations.oidsOf(wanted);
  }

  /** Brings the relations to what they were before transaction `row`. */
  learnUpTo(row: number): void {
    const { relations } = this.#index;
    for (let next = relations[this.#learnt]; next !== undefined && next.from <= row; next = relations[this.#learnt]) {
      this.#relations.learn(next.oid, next.message);
      this.#learnt += 1;
    }
  }

  touchesWanted(row: number): boolean {
    const number = this.#index.relationSet(row);
    let touches = this.#wantedSets.get(number);
    if (touches === undefined) {
      touches = this.#index.relationSets[number]?.some((oid) => this.#wantedOids.has(oid)) ?? false;
      this.#wantedSets.set(number, touches);
    }
    return touches;
  }

  /** The transaction's changes of wanted tables; no piece at all when there are none. */
  async *pieces(row: number): AsyncGenerator<TransactionPiece> {
    const collector = new PieceCollector(this.#index.header(row));
    let { block: offset, offset: at } = this.#index.place(row);
    for (;;) {
      const { raw, next } = await this.#load(offset, collector.header.commitLsn);
      while (at < raw.length) {
        const start = frameStart(at);
        if (raw[start] === MESSAGE_TYPE.commit) {
          const last = collector.finish();
          if (last !== null) yield last;
          return;
        }
        at = frameEnd(raw, at);
        this.#take(raw, start, at, collector);
        const ready = collector.takeReady();
        if (ready !== null) yield ready;
      }
      offset = next;
      at = 0;
    }
  }

  async close(): Promise<void> {
    await this.#file?.close();
  }

  #take(raw: Buffer, start: number, end: number, collector: PieceCollector): void {
    const { commitLsn } = collector.header;
    const type = raw[start] ?? 0;
    if (carriesRow(type)) {
      if (!this.#wantedOids.has(skimRelation(raw, start, end, commitLsn))) return;
    } else if (type !== MESSAGE_TYPE.relation && type !== MESSAGE_TYPE.truncate) return;
    this.#takeMessage(decodeMessage(raw, start, end, commitLsn), raw.subarray(start, end), collector);
  }

  #takeMessage(message: Message, bytes: Buffer, collector: PieceCollector): void {
    const { commitLsn } = collector.header;
    switch (message.kind) {
      case "insert":
      case "update":
      case "delete":
        collector.add(toChange(message, this.#relations.mapped(message.relation, commitLsn), commitLsn), bytes.length);
        return;
      case "relation":
        this.#relations.learn(message.oid, Buffer.from(bytes));
        return;
      case "truncate": {
        const tables = message.relations.flatMap((oid) => {
          const id = this.#relations.idOf(oid, commitLsn);
          return id !== undefined && this.#wantedOids.has(oid) ? [id] : [];
        });
        if (tables.length > 0) collector.add({ kind: "truncate", tables }, bytes.length);
        return;
      }
      default:
        return;
    }
  }

  async #load(offset: number, lsn: Lsn): Promise<MessageBlock> {
    if (this.#block?.offset === offset) return this.#block;
    const recent = this.#recent?.get(offset);
    if (recent !== undefined) {
      this.#block = recent;
      return recent;
    }
    this.#file ??= await openSegment(this.#path);
    const block = await needBlock(this.#file, this.#path, offset);
    if (!holdsMessages(decodeBlockHeader(block).kind)) throw corrupt(basename(this.#path), offset, "a transaction has no end", lsn);
    this.#block = { offset, raw: decodeBlock(block), next: offset + block.length };
    return this.#block;
  }
}
