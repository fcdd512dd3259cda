import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { once } from "node:events";
import { chmodSync, copyFileSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect as connectTo, createServer } from "node:net";
import { networkInterfaces, tmpdir } from "node:os";
import path from "node:path";
import { after, before, describe, it } from "node:test";
import type pg from "pg";
import { connect } from "../../src/postgres/connect.ts";
import { resolveConnection } from "../../src/postgres/resolve-connection.ts";
import { type PgServer, startServer } from "../support/pg-server.ts";
import { giveToServerUser } from "../support/server/run-as.ts";

const skip = spawnSync("openssl", ["version"]).status === 0 ? false : "openssl is not installed, so no certificates can be made";

const NAME = "db.example.test";
let dir = "";
const at = (name: string) => path.join(dir, name);

function openssl(...args: string[]): void {
  execFileSync("openssl", args, { cwd: dir, stdio: "pipe" });
}

/** `ca.crt` signs `server.crt` (for NAME) and `client.crt` (for certuser); `other.crt` is an authority that signed nothing here. */
function makeCertificates(): void {
  for (const authority of ["ca", "other"]) {
    openssl(
      "req",
      "-x509",
      "-newkey",
      "ec",
      "-pkeyopt",
      "ec_paramgen_curve:P-256",
      "-nodes",
      "-days",
      "2",
      "-subj",
      `/CN=${authority}`,
      "-keyout",
      `${authority}.key`,
      "-out",
      `${authority}.crt`,
    );
  }
  for (const [name, subject, extension] of [
    ["server", "/CN=ignored", `subjectAltName=DNS:${NAME}`],
    ["client", "/CN=certuser", "extendedKeyUsage=clientAuth"],
  ] as const) {
    openssl(
      "req",
      "-newkey",
      "ec",
      "-pkeyopt",
      "ec_paramgen_curve:P-256",
      "-nodes",
      "-subj",
      subject,
      "-keyout",
      `${name}.key`,
      "-out",
      `${name}.csr`,
    );
    writeFileSync(at(`${name}.ext`), extension);
    openssl(
      "x509",
      "-req",
      "-in",
      `${name}.csr`,
      "-CA",
      "ca.crt",
      "-CAkey",
      "ca.key",
      "-CAcreateserial",
      "-days",
      "2",
      "-extfile",
      `${name}.ext`,
      "-out",
      `${name}.crt`,
    );
  }
  chmodSync(at("client.key"), 0o600);
  copyFileSync(at("ca.crt"), at("server-ca.crt"));
  chmodSync(dir, 0o755);
  for (const file of ["server.key", "server.crt", "server-ca.crt"]) {
    chmodSync(at(file), 0o600);
    giveToServerUser(at(file));
  }
}

describe("TLS", { skip }, () => {
  let server: PgServer;
  before(async () => {
    dir = mkdtempSync(path.join(tmpdir(), "pghaul-tls-"));
    makeCertificates();
    server = await startServer({
      version: 17,
      settings: { ssl: "on", ssl_cert_file: at("server.crt"), ssl_key_file: at("server.key"), ssl_ca_file: at("server-ca.crt") },
      hba: [
        "hostssl all certuser 127.0.0.1/32 cert",
        "hostssl all tlsonly 127.0.0.1/32 trust",
        "hostnossl all tlsonly 127.0.0.1/32 reject",
        "hostssl all plainonly 127.0.0.1/32 reject",
      ],
      passwords: { app: "secret" },
    });
    const admin = await server.connect();
    for (const role of ["certuser", "tlsonly", "plainonly"]) await admin.query(`create role ${role} login`);
    await admin.end();
  });
  after(async () => {
    await server?.[Symbol.asyncDispose]();
    rmSync(dir, { recursive: true });
  });

  const open = (parameters: string) =>
    connect(
      resolveConnection(
        { url: `port=${server.port} user=postgres dbname=postgres ${parameters.replaceAll("DIR", dir)}` },
        { env: {}, home: undefined, user: "os", socketDirs: [] },
      ),
      { side: "source", purpose: "tls" },
    );

  async function encrypted(client: pg.Client): Promise<string> {
    const { rows } = await client.query("select ssl, coalesce(version, '') as version from pg_stat_ssl where pid = pg_backend_pid()");
    await client.end();
    const { ssl, version } = rows[0] as { ssl: string; version: string };
    return ssl === "t" ? version : "plain";
  }

  // The name is not loopback, the address is: what a tunnel or a private DNS name looks like.
  const good = `host=${NAME} hostaddr=127.0.0.1 sslmode=verify-full sslrootcert=DIR/ca.crt`;
  for (const [title, parameters, expected] of [
    ["verify-full, right name and authority", good, /^TLSv1\.[23]$/],
    ["verify-full, TLS 1.2 at most", `${good} ssl_max_protocol_version=TLSv1.2`, /^TLSv1\.2$/],
    ["verify-full, direct negotiation", `${good} sslnegotiation=direct`, /^TLSv1\.[23]$/],
    ["verify-full with channel binding", `${good} user=app password=secret channel_binding=require`, /^TLSv1\.[23]$/],
    ["verify-ca does not look at the name", "host=127.0.0.1 sslmode=verify-ca sslrootcert=DIR/ca.crt", /^TLSv1/],
    ["require without a root looks at nothing", "host=127.0.0.1 sslmode=require", /^TLSv1/],
    ["require with a root is verify-ca", "host=127.0.0.1 sslmode=require sslrootcert=DIR/ca.crt", /^TLSv1/],
    ["prefer takes TLS", "host=127.0.0.1 sslmode=prefer", /^TLSv1/],
    ["loopback's default takes TLS", "host=127.0.0.1", /^TLSv1/],
    ["disable", "host=127.0.0.1 sslmode=disable", /^plain$/],
    ["allow takes plain text where it may", "host=127.0.0.1 sslmode=allow", /^plain$/],
    ["allow takes TLS where the server asks for it", "host=127.0.0.1 sslmode=allow user=tlsonly", /^TLSv1/],
    ["client certificate", `${good} user=certuser sslcert=DIR/client.crt sslkey=DIR/client.key`, /^TLSv1/],
  ] as const)
    it(title, async () => assert.match(await encrypted(await open(parameters)), expected));

  for (const [title, parameters, code, message] of [
    [
      "verify-full, wrong name",
      "host=127.0.0.1 sslmode=verify-full sslrootcert=DIR/ca.crt",
      "SOURCE_AUTH",
      /does not match certificate|not in the cert/,
    ],
    [
      "verify-full, a name that resolves but is not in the certificate",
      "host=localhost hostaddr=127.0.0.1 sslmode=verify-full sslrootcert=DIR/ca.crt",
      "SOURCE_AUTH",
      /does not match|altnames/,
    ],
    [
      "verify-full, another authority",
      `host=${NAME} hostaddr=127.0.0.1 sslmode=verify-full sslrootcert=DIR/other.crt`,
      "SOURCE_AUTH",
      /certificate/,
    ],
    ["verify-full, the system's authorities", `host=${NAME} hostaddr=127.0.0.1 sslmode=verify-full`, "SOURCE_AUTH", /certificate/],
    ["verify-ca, another authority", "host=127.0.0.1 sslmode=verify-ca sslrootcert=DIR/other.crt", "SOURCE_AUTH", /certificate/],
    ["require with another root", "host=127.0.0.1 sslmode=require sslrootcert=DIR/other.crt", "SOURCE_AUTH", /certificate/],
    ["no client certificate where one is asked for", `${good} user=certuser`, "SOURCE_AUTH", /certificate/],
    ["disable where the server wants TLS", "host=127.0.0.1 sslmode=disable user=tlsonly", "SOURCE_AUTH", /no encryption|rejects/],
    ["prefer does not turn to plain text because TLS was refused", "host=127.0.0.1 sslmode=prefer user=plainonly", "SOURCE_AUTH", /reject/],
  ] as const)
    it(`refused: ${title}`, () => assert.rejects(open(parameters), { code, message }));

  it("the default towards a host that is not this machine is full verification", async (test) => {
    const address = Object.values(networkInterfaces())
      .flat()
      .find((one) => one?.family === "IPv4" && !one.internal)?.address;
    if (address === undefined) return test.skip("this machine has no address but loopback");
    const relay = createServer((socket) => {
      const onward = connectTo(server.port, "127.0.0.1").on("error", () => socket.destroy());
      socket
        .on("error", () => onward.destroy())
        .pipe(onward)
        .pipe(socket);
    });
    relay.listen(0, address).unref();
    await once(relay, "listening");
    const { port } = relay.address() as { port: number };
    await assert.rejects(open(`host=${address} port=${port}`), { code: "SOURCE_AUTH", message: /certificate/ });
    assert.match(await encrypted(await open(`host=${address} port=${port} sslmode=require`)), /^TLSv1/);
    relay.close();
  });

  it("prefer falls back to plain text where the server has no TLS, and only prefer", async () => {
    await using plain = await startServer({ version: 17 });
    assert.equal(await encrypted(await open(`host=127.0.0.1 port=${plain.port} sslmode=prefer`)), "plain");
    for (const mode of ["require", "verify-full sslrootcert=DIR/ca.crt"]) {
      await assert.rejects(open(`host=127.0.0.1 port=${plain.port} sslmode=${mode}`), /does not support SSL/);
    }
  });
});
