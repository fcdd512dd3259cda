/** A copy of the tree in which src is changed in one place at a time, and tests are run until the first of them fails. */
import { spawn } from "node:child_process";
import { cpSync, globSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseSync } from "oxc-parser";
import { deadline } from "../support/deadline.ts";
import type { Mutant } from "./mutant.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const COPIED = ["src", "test", "scripts", "bin", "docs", "schema", "package.json"];

/** A mutant that makes a test wait for ever is found as well as one that makes it fail. */
const LIMIT_MILLIS = { quick: 60_000, long: 600_000 } as const;

export type Verdict =
  /** `by` is the test that failed first. */
  | { readonly kind: "killed"; readonly by: string }
  | { readonly kind: "survived" }
  /** The list no longer fits the source. */
  | { readonly kind: "stale"; readonly why: string };

/** The source files by path. */
export type Sources = ReadonlyMap<string, string>;

export function readSources(): Sources {
  return new Map(globSync("src/**/*.ts", { cwd: ROOT }).map((path) => [path, readFileSync(join(ROOT, path), "utf8")]));
}

/** The file that the mutant changes and its text afterwards; a string says why there is none. */
export function mutate({ find, replace }: Mutant, sources: Sources): { readonly path: string; readonly text: string } | string {
  const places = [...sources].flatMap(([path, text]) => Array.from({ length: text.split(find).length - 1 }, () => path));
  const [path] = places;
  if (path === undefined || places.length > 1) return `its text is in src ${places.length} times: ${places.join(", ")}`;
  const text = (sources.get(path) as string).replace(find, () => replace);
  const { errors } = parseSync(path, text);
  return errors.length === 0 ? { path, text } : `what it makes of ${path} is no TypeScript: ${errors[0]?.message}`;
}

export class MutatedTree {
  readonly #root: string;
  readonly #sources: Sources;

  constructor(sources: Sources) {
    this.#sources = sources;
    this.#root = mkdtempSync(join(tmpdir(), "pghaul-mutants-"));
    for (const part of COPIED) cpSync(join(ROOT, part), join(this.#root, part), { recursive: true });
    symlinkSync(join(ROOT, "node_modules"), join(this.#root, "node_modules"));
  }

  /** Runs the mutant's tests over the source with the mutant in it. */
  async try(mutant: Mutant): Promise<Verdict> {
    const mutated = mutate(mutant, this.#sources);
    if (typeof mutated === "string") return { kind: "stale", why: mutated };
    const path = join(this.#root, mutated.path);
    writeFileSync(path, mutated.text);
    try {
      const by = await this.firstFailure(mutant.killedBy, deadline(mutant.isLong === true ? LIMIT_MILLIS.long : LIMIT_MILLIS.quick));
      if (by === null) return { kind: "survived" };
      // A file that cannot even be loaded says nothing about what its tests would have found.
      if (mutant.killedBy.some((file) => basename(by) === basename(file))) return { kind: "stale", why: `${by} breaks as a whole` };
      return { kind: "killed", by };
    } finally {
      writeFileSync(path, this.#sources.get(mutated.path) as string);
    }
  }

  /** The name of the first test that fails, or null when all pass. Nothing goes on running afterwards. */
  async firstFailure(files: readonly string[], limitMillis: number): Promise<string | null> {
    const flags = ["--test", "--test-concurrency=1", "--test-reporter=./test/mutants/first-failure.mjs"];
    // node --test marks its children by this variable, and does not start tests within tests.
    const { NODE_TEST_CONTEXT: _, ...env } = process.env;
    const child = spawn(process.execPath, [...flags, ...files], {
      cwd: this.#root,
      env: { ...env, NODE_COMPILE_CACHE: join(ROOT, "node_modules", ".cache", "compiled") },
      stdio: ["ignore", "pipe", "ignore"],
      // A group of its own: with the first failure everything below it ends.
      detached: true,
    });
    const end = (): void => {
      try {
        if (child.pid !== undefined) process.kill(-child.pid, "SIGKILL");
      } catch (error) {
        // It has told of its failure as the last thing it did, and is gone.
        if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
      }
    };
    let failed: string | null = null;
    const timer = setTimeout(() => {
      failed ??= `not done within ${limitMillis / 1000} s`;
      end();
    }, limitMillis);
    child.stdout.setEncoding("utf8").on("data", (line: string) => {
      if (failed !== null) return;
      failed = line.split("\n")[0] ?? line;
      end();
    });
    const status = await new Promise<number | null>((resolve, reject) => {
      child.once("close", resolve);
      child.once("error", reject);
    });
    clearTimeout(timer);
    if (failed === null && status !== 0)
      throw new Error(`node --test ${files.join(" ")} ended with ${status} and named no test: is a file missing?`);
    return failed;
  }

  remove(): void {
    rmSync(this.#root, { recursive: true });
  }
}
