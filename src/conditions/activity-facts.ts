/** What a condition may ask of whoever else is at work at a side. */
import type { Table } from "../model/table.ts";

export interface ActivityFacts {
  /** Transactions of the whole server that have been open for so long, and prepared ones of any age; the oldest first. Ours is not among them. */
  transactions(olderThanMillis: number): Promise<readonly OpenTransaction[]>;
  /** Who holds, beside transactions that write, what a fence over the tables would wait for. */
  holders(tables: readonly Table[]): Promise<Holders>;
  /** Native subscriptions that are not pghaul's. */
  subscriptions(tables: readonly Table[]): Promise<readonly SubscriptionFact[]>;
  /** Publications that are not pghaul's. */
  publications(): Promise<readonly PublicationFact[]>;
  /** Event triggers that are on and hear one of the commands, or any (null); not those of extensions and of logins. */
  eventTriggers(commands: readonly string[] | null): Promise<readonly EventTriggerFact[]>;
  /** Foreign objects with options that never leave the database, because they hold a secret. */
  leftSecrets(): Promise<readonly LeftSecret[]>;
  /** Triggers of earlier fences of ours. */
  fencesLeft(tables: readonly Table[]): Promise<readonly LeftFence[]>;
}

export interface Holder {
  /** A sentence's worth. */
  readonly who: string;
  /** The statement that ends it. */
  readonly end: string;
}

/** Never its statement: that holds values. */
export interface OpenTransaction extends Holder {
  readonly seconds: number;
  readonly prepared: boolean;
  /** It has an id, so it has written or is about to: a slot and a fence wait for it. A prepared one always has. */
  readonly wrote: boolean;
  /** In the database of this session. */
  readonly here: boolean;
}

export interface Holders {
  /** Autovacuums against wraparound, which give way to nobody. */
  readonly vacuums: readonly Holder[];
  /** Locks on the tables that no ordinary writer keeps. */
  readonly maintenance: readonly Holder[];
}

export interface SubscriptionFact {
  /** Quoted. */
  readonly name: string;
  /** Those of the given tables that it writes into, as `schema.name`, comma-separated; null where it is off, or writes into none of them. */
  readonly tables: string | null;
  /** Stops it. */
  readonly disable: string;
  /** Makes its like, which is off and connects to nowhere: only superusers may read a connection. */
  readonly create: string;
}

export interface PublicationFact {
  /** Quoted. */
  readonly name: string;
  /** Makes it again. */
  readonly statement: string;
}

export interface EventTriggerFact {
  /** Quoted. */
  readonly name: string;
  readonly event: string;
  /** `O`: not for sessions in replica role; `R`: only for those; `A`: always. */
  readonly enabled: string;
  /** Comma-separated; null for every command. */
  readonly tags: string | null;
  readonly function: string;
}

/** Something that cannot move whole, because a secret is part of it. */
export interface LeftSecret {
  /** `user mapping for app on server s: password, user`: names only. */
  readonly title: string;
  /** What makes it whole at the target, with `...` in place of each secret. */
  readonly statement: string;
}

export interface LeftFence {
  readonly table: string;
  /** Quoted. */
  readonly trigger: string;
  /** Refuses writes: it is on, and nothing opens it. */
  readonly closed: boolean;
}
