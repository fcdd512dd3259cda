/** What the bucket knows of the migration. The shape is that of the workflow's result. */
export interface BucketStateView {
  readonly url: string;
  readonly epoch: number;
  readonly holder: {
    readonly host: string;
    readonly pid: number;
    readonly command: string;
    readonly since: string;
    readonly silentSeconds: number;
  } | null;
  readonly copiedAt: string | null;
  readonly logs: readonly { readonly stream: string; readonly lsn: string }[];
  readonly here: "empty" | "current" | "behind" | "not-uploaded";
}

const HERE: Readonly<Record<BucketStateView["here"], string>> = {
  empty: "empty; `pghaul run` goes on from the bucket",
  current: "the one that the bucket was written from",
  behind: "BEHIND: another machine has gone on. Move the state directory away; `pghaul run` then goes on from the bucket",
  "not-uploaded": "not in the bucket yet; `pghaul run` or `pghaul state push` uploads it",
};

export function bucketStateText({ url, epoch, holder, copiedAt, logs, here }: BucketStateView): string {
  const held =
    holder === null
      ? "nobody"
      : `pid ${holder.pid} (pghaul ${holder.command}) on ${holder.host} since ${holder.since}, last heard of ${holder.silentSeconds} s ago`;
  return [
    `bucket          ${url}`,
    `held by         ${held}`,
    `epoch           ${epoch}`,
    `state copied    ${copiedAt ?? "never"}`,
    ...logs.map(({ stream, lsn }) => [`${stream} log`.padEnd(15), `up to ${lsn}`].join(" ")),
    `this directory  ${HERE[here]}`,
  ].join("\n");
}
