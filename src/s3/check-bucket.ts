/** What a bucket must do, and what it should be set to, for a migration to be kept in it. */
import { randomUUID } from "node:crypto";
import { PghaulError } from "../errors/pghaul-error.ts";
import type { CheckResult } from "../model/check-result.ts";
import { bucketError, statusOf } from "./bucket-error.ts";
import type { OpenBucket } from "./open-bucket.ts";

/** SigV4 refuses a request from 15 minutes on. */
const SKEW_WARN_MILLIS = 60_000;

type Found = Pick<CheckResult, "status" | "evidence" | "fix">;

/** One result after another; the rest is not asked where the bucket cannot be written. Leaves nothing behind. */
export async function* checkBucket(bucket: OpenBucket): AsyncIterable<CheckResult> {
  const access = await checkWrites(bucket);
  yield* access;
  if (access.some(({ status }) => status === "fail")) return;
  const asks: readonly (readonly [id: string, ask: () => Promise<Found>])[] = [
    ["bucket-versioning", () => versioning(bucket)],
    ["bucket-encryption", () => encryption(bucket)],
    ["bucket-public-access", () => publicAccess(bucket)],
    ["bucket-lifecycle", () => lifecycle(bucket)],
    ["bucket-region", () => region(bucket)],
    ["bucket-clock", () => clock(bucket)],
  ];
  for (const [id, ask] of asks) yield { id, ...(await ask().catch((error: unknown) => notAnswered(bucket, error))) };
}

/** An object is made, made again with other content, and replaced by who has not seen it: the last two must fail. */
async function checkWrites(bucket: OpenBucket): Promise<readonly CheckResult[]> {
  const key = `check/${randomUUID()}`;
  const access = "bucket-access";
  try {
    await bucket.create(key, Buffer.from("1"));
    const evidence = `${bucket.url} can be written and read`;
    const isOverwritten = await bucket.create(key, Buffer.from("2"));
    const isReplaced = await bucket.replace(key, Buffer.from("3"), '"00000000000000000000000000000000"');
    const kept = (await bucket.get(key))?.body.toString() === "1";
    await bucket.remove(key);
    return [{ id: access, status: "pass", evidence, fix: null }, conditional(!isOverwritten && isReplaced === null && kept)];
  } catch (error) {
    if (!(error instanceof PghaulError)) throw error;
    const fix = "allow s3:GetObject, s3:PutObject, s3:DeleteObject and s3:ListBucket on the prefix; see docs/guides/state-in-s3.md";
    return [{ id: access, status: "fail", evidence: error.message, fix }];
  }
}

function conditional(isHonoured: boolean): CheckResult {
  const id = "bucket-conditional-writes";
  if (isHonoured) return { id, status: "pass", evidence: "a conditional write that must fail has failed", fix: null };
  const evidence = "a conditional write that must fail has succeeded: two operators could run one migration";
  return { id, status: "fail", evidence, fix: "use a server that honours If-None-Match and If-Match on PutObject" };
}

async function versioning({ client, sdk, settings }: OpenBucket): Promise<Found> {
  const { Status } = await client.send(new sdk.GetBucketVersioningCommand({ Bucket: settings.bucket }));
  if (Status === "Enabled") return pass("versions are kept");
  const fix = `aws s3api put-bucket-versioning --bucket ${settings.bucket} --versioning-configuration Status=Enabled`;
  return { status: "warn", evidence: "no versions are kept: an object that somebody deletes is gone", fix };
}

async function encryption({ client, sdk, settings }: OpenBucket): Promise<Found> {
  if (settings.kmsKey !== null) return pass("objects are encrypted with state.kmsKey (SSE-KMS)");
  const fix = `aws s3api put-bucket-encryption --bucket ${settings.bucket} --server-side-encryption-configuration '{"Rules":[{"ApplyServerSideEncryptionByDefault":{"SSEAlgorithm":"AES256"}}]}'`;
  try {
    const answer = await client.send(new sdk.GetBucketEncryptionCommand({ Bucket: settings.bucket }));
    const algorithm = answer.ServerSideEncryptionConfiguration?.Rules?.[0]?.ApplyServerSideEncryptionByDefault?.SSEAlgorithm;
    if (algorithm !== undefined) return pass(`objects are encrypted by default (${algorithm})`);
  } catch (error) {
    if (statusOf(error) !== 404) throw error;
  }
  return { status: "warn", evidence: "objects are not encrypted by default; the log holds rows", fix };
}

async function publicAccess({ client, sdk, settings }: OpenBucket): Promise<Found> {
  const flags = "BlockPublicAcls=true,IgnorePublicAcls=true,BlockPublicPolicy=true,RestrictPublicBuckets=true";
  const fix = `aws s3api put-public-access-block --bucket ${settings.bucket} --public-access-block-configuration ${flags}`;
  try {
    const answer = await client.send(new sdk.GetPublicAccessBlockCommand({ Bucket: settings.bucket }));
    const { BlockPublicAcls, IgnorePublicAcls, BlockPublicPolicy, RestrictPublicBuckets } = answer.PublicAccessBlockConfiguration ?? {};
    if (BlockPublicAcls && IgnorePublicAcls && BlockPublicPolicy && RestrictPublicBuckets) return pass("public access is blocked");
  } catch (error) {
    if (statusOf(error) !== 404) throw error;
  }
  return { status: "warn", evidence: "public access is not blocked; the log holds rows", fix };
}

/** pghaul removes what it does not need; a rule that removes by age takes what it does. */
async function lifecycle({ client, sdk, settings, url }: OpenBucket): Promise<Found> {
  try {
    const { Rules = [] } = await client.send(new sdk.GetBucketLifecycleConfigurationCommand({ Bucket: settings.bucket }));
    const ours = url.slice(`s3://${settings.bucket}/`.length);
    const expiring = Rules.filter(({ Status, Expiration, Filter, Prefix }) => {
      const prefix = Filter?.Prefix ?? Filter?.And?.Prefix ?? Prefix ?? "";
      return (
        Status === "Enabled" && (Expiration?.Days ?? Expiration?.Date) !== undefined && (ours.startsWith(prefix) || prefix.startsWith(ours))
      );
    });
    const [rule] = expiring;
    if (rule === undefined) return pass("no rule deletes objects of the migration");
    const when = rule.Expiration?.Days === undefined ? "at a date" : `after ${rule.Expiration.Days} days`;
    const evidence = `the rule ${rule.ID ?? "without a name"} deletes objects of the migration ${when}: a log that is still needed could not be restored`;
    return { status: "warn", evidence, fix: `exclude the prefix ${ours} from the rule until the migration has ended` };
  } catch (error) {
    if (statusOf(error) === 404) return pass("no rule deletes objects of the migration");
    throw error;
  }
}

async function region({ client, sdk, settings }: OpenBucket): Promise<Found> {
  const { BucketRegion } = await client.send(new sdk.HeadBucketCommand({ Bucket: settings.bucket }));
  const ours = await client.config.region();
  if (BucketRegion === undefined || BucketRegion === ours) return pass(`the bucket is in ${BucketRegion ?? ours}`);
  return {
    status: "fail",
    evidence: `the bucket is in ${BucketRegion}, requests are signed for ${ours}`,
    fix: `state: { region: ${BucketRegion} }`,
  };
}

async function clock({ client, sdk, settings }: OpenBucket): Promise<Found> {
  const { $metadata } = await client.send(new sdk.HeadBucketCommand({ Bucket: settings.bucket }));
  const { servedAt } = $metadata as { servedAt?: number };
  if (servedAt === undefined) return { status: "warn", evidence: "the server does not tell its time", fix: null };
  const skew = Math.abs(servedAt - Date.now());
  const evidence = `this machine's clock and the server's are ${Math.round(skew / 1000)} s apart`;
  return skew < SKEW_WARN_MILLIS ? pass(evidence) : { status: "warn", evidence, fix: "timedatectl set-ntp true" };
}

function pass(evidence: string): Found {
  return { status: "pass", evidence, fix: null };
}

/** Not every server knows every setting, and not every role may ask. */
function notAnswered({ url }: OpenBucket, error: unknown): Found {
  const { message } = bucketError(error, "tell", url) as Error;
  return { status: "warn", evidence: `not known: ${message}`, fix: null };
}
