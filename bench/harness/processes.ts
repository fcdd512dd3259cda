import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";

/** Runs `left | right` and waits for both. Throws with what the one that failed said. */
export async function runPipe(left: readonly string[], right: readonly string[]): Promise<void> {
  const reader = start(left, "ignore", "pipe");
  // The kernel's own pipe between the two, as a shell would make it: this process moves no byte.
  const writer = start(right, reader.child.stdout, "ignore");
  reader.child.stdout?.destroy();
  await Promise.all([reader.ended, writer.ended]);
}

/** Runs a program to its end. Throws with its stderr when it fails. */
export async function runProgram(command: readonly string[]): Promise<void> {
  await start(command, "ignore", "ignore").ended;
}

function start(
  [program = "", ...args]: readonly string[],
  input: "ignore" | ChildProcess["stdout"],
  output: "ignore" | "pipe",
): { readonly child: ChildProcess; readonly ended: Promise<void> } {
  const child = spawn(program, args, { stdio: [input, output, "pipe"], env: cleanEnvironment() });
  let complaint = "";
  child.stderr?.setEncoding("utf8").on("data", (text: string) => {
    complaint += text;
  });
  const ended = once(child, "exit").then(([code]) => {
    if (code !== 0) throw new Error(`${program} ended with ${code}: ${complaint}`);
  });
  return { child, ended };
}

/** What a shell's PGHOST or PGOPTIONS says is meant for another server. */
function cleanEnvironment(): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(PG|NODE_OPTIONS)/.test(name)));
}
