import assert from "node:assert/strict";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, describe, it } from "node:test";
import type { PeerCertificate } from "node:tls";
import { resolveConnection } from "../../src/postgres/resolve-connection.ts";
import { type SslOptions, sslAttempts, sslModeOf } from "../../src/postgres/ssl-options.ts";

let dir = "";
before(() => {
  dir = mkdtempSync(path.join(tmpdir(), "pghaul-ssl-"));
  mkdirSync(path.join(dir, "with/.postgresql"), { recursive: true });
  for (const name of ["root.crt", "postgresql.crt", "postgresql.key"])
    writeFileSync(path.join(dir, "with/.postgresql", name), `standard ${name}`, { mode: 0o600 });
  writeFileSync(path.join(dir, "ca.crt"), "named root");
  writeFileSync(path.join(dir, "open.key"), "key");
  chmodSync(path.join(dir, "open.key"), 0o644);
});
after(() => rmSync(dir, { recursive: true }));

/** `home` without a ~/.postgresql unless it is `with`. */
const spec = (url: string, home = "without") =>
  resolveConnection({ url }, { env: {}, home: path.join(dir, home), user: "os", socketDirs: [] });
async function attempts(url: string, home?: string): Promise<readonly SslOptions[]> {
  const resolved = spec(url.replaceAll("DIR", dir), home);
  return sslAttempts(resolved, resolved.hosts[0] as (typeof resolved.hosts)[0]);
}
const only = async (url: string, home?: string) => {
  const [first, ...others] = await attempts(url, home);
  assert.deepEqual(others, []);
  assert.ok(first);
  return first;
};

describe("sslModeOf", () => {
  for (const [url, expected] of [
    ["host=db.example.com", "verify-full"],
    ["host=10.0.0.1", "verify-full"],
    ["host=128.0.0.1", "verify-full"],
    ["host=localhost.example.com", "verify-full"],
    ["host=localhost", "prefer"],
    ["host=127.0.0.1", "prefer"],
    ["host=127.9.9.9", "prefer"],
    ["host=::1", "prefer"],
    ["host=localhost hostaddr=10.0.0.1", "verify-full"],
    ["host=db.example.com hostaddr=127.0.0.1", "prefer"],
    ["host=/run/pg", "disable"],
    ["host=/run/pg sslmode=verify-full", "disable"],
    ["host=db.example.com sslmode=disable", "disable"],
    ["host=localhost sslmode=verify-full", "verify-full"],
    ["host=localhost sslrootcert=system", "verify-full"],
  ] as const) {
    it(`${url}: ${expected}`, () => {
      const resolved = spec(url);
      assert.equal(sslModeOf(resolved, resolved.hosts[0] as (typeof resolved.hosts)[0]), expected);
    });
  }
});

describe("sslAttempts", () => {
  it("disable: plain text alone", async () => assert.deepEqual(await attempts("host=h sslmode=disable"), [false]));
  it("allow: plain text, then TLS", async () =>
    assert.deepEqual(
      (await attempts("host=h sslmode=allow")).map((ssl) => ssl !== false),
      [false, true],
    ));
  it("prefer: TLS, then plain text", async () =>
    assert.deepEqual(
      (await attempts("host=h sslmode=prefer")).map((ssl) => ssl !== false),
      [true, false],
    ));

  it("require verifies nothing", async () => {
    const ssl = await only("host=h sslmode=require");
    assert.deepEqual([ssl.rejectUnauthorized, ssl.ca], [false, undefined]);
  });
  it("require with a root certificate is verify-ca", async () => {
    for (const ssl of [await only("host=h sslmode=require sslrootcert=DIR/ca.crt"), await only("host=h sslmode=require", "with")]) {
      assert.equal(ssl.rejectUnauthorized, true);
      assert.equal(ssl.checkServerIdentity?.("h", {} as PeerCertificate), undefined);
    }
  });
  it("verify-ca checks the chain and not the name", async () => {
    const ssl = await only("host=h sslmode=verify-ca sslrootcert=DIR/ca.crt");
    assert.deepEqual([ssl.rejectUnauthorized, ssl.ca], [true, ["named root"]]);
    assert.equal(ssl.checkServerIdentity?.("h", { subject: { CN: "other" } } as PeerCertificate), undefined);
  });
  it("verify-full checks the name that was asked for, not the address", async () => {
    const ssl = await only("host=db.example.com hostaddr=10.0.0.1 sslmode=verify-full sslrootcert=DIR/ca.crt");
    const certificate = (name: string) => ({ subject: { CN: "" }, subjectaltname: `DNS:${name}` }) as unknown as PeerCertificate;
    assert.equal(ssl.rejectUnauthorized, true);
    assert.equal(ssl.servername, "db.example.com");
    assert.equal(ssl.checkServerIdentity?.("10.0.0.1", certificate("db.example.com")), undefined);
    assert.equal(ssl.checkServerIdentity?.("10.0.0.1", certificate("*.example.com")), undefined);
    assert.ok(ssl.checkServerIdentity?.("10.0.0.1", certificate("evil.example.org")) instanceof Error);
  });
  it("no address in SNI", async () => {
    for (const host of ["10.0.0.1", "2001:db8::1"]) assert.equal((await only(`host=${host} sslmode=require`)).servername, undefined);
  });
  it("~/.postgresql: root, client certificate and key", async () => {
    const ssl = await only("host=h", "with");
    assert.deepEqual([ssl.ca, ssl.cert, ssl.key], [["standard root.crt"], "standard postgresql.crt", "standard postgresql.key"]);
    assert.equal((await only("host=h sslcertmode=disable", "with")).cert, undefined);
  });
  it("verify-full without any root goes by the system's authorities", async () => {
    for (const url of ["host=h", "host=h sslmode=verify-full", "host=h sslrootcert=system"]) {
      const { ca, rejectUnauthorized } = await only(url);
      assert.equal(rejectUnauthorized, true);
      assert.match((ca as string[])[0] ?? "", /BEGIN CERTIFICATE/);
    }
  });
  it("TLS versions: 1.2 at least, as told otherwise", async () => {
    assert.deepEqual([(await only("host=h")).minVersion, (await only("host=h")).maxVersion], ["TLSv1.2", undefined]);
    const told = await only("host=h ssl_min_protocol_version=TLSv1.3 ssl_max_protocol_version=TLSv1.3");
    assert.deepEqual([told.minVersion, told.maxVersion], ["TLSv1.3", "TLSv1.3"]);
  });

  for (const [url, message] of [
    ["host=h sslmode=verify-ca", /needs a root certificate/],
    ["host=h sslmode=verify-full sslrootcert=DIR/nowhere", /nowhere does not exist/],
    ["host=h sslrootcert=DIR/nowhere", /nowhere does not exist/],
    ["host=h sslmode=require sslrootcert=system", /needs sslmode=verify-full/],
    ["host=h sslcert=DIR/nowhere", /client certificate file .* does not exist/],
    ["host=h sslcert=DIR/ca.crt sslkey=DIR/nowhere", /client key file .* does not exist/],
    ["host=h sslcert=DIR/ca.crt sslkey=DIR/open.key", /others can read the client key/],
    ["host=h sslcrl=DIR/nowhere", /revocation list .* does not exist/],
    ["host=h sslmode=prefer sslnegotiation=direct", /direct needs sslmode=require/],
  ] as const)
    it(`refuses ${url}`, () => assert.rejects(attempts(url), { code: "CONNECTION_STRING_INVALID", message }));

  it("require with a root certificate file that is not there does without, as libpq", async () =>
    assert.equal((await only("host=h sslmode=require sslrootcert=DIR/nowhere")).rejectUnauthorized, false));
});
