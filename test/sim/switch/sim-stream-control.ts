import type { StreamControl } from "../../../src/cutover/ports.ts";
import { PghaulError } from "../../../src/errors/pghaul-error.ts";
import type { SideName } from "../../../src/model/side.ts";
import type { Life } from "../crash.ts";
import type { SimServer } from "./sim-side.ts";

export interface SimStreams {
  readonly servers: Readonly<Record<SideName, SimServer>>;
  readonly isRunning: () => boolean;
  readonly hasWayBack: () => boolean;
  readonly makeWayBack: () => void;
}

/** The process that streams, as a driver with this life sees it. */
export function simStreamControl(life: Life, { servers, isRunning, hasWayBack, makeWayBack }: SimStreams): StreamControl {
  return {
    prepare: async () => {
      await life.turn("prepare the way back");
      if (!isRunning()) throw new PghaulError("STREAM_NOT_RUNNING", "no process is streaming");
      makeWayBack();
    },
    notRunning: async () => {
      await life.turn("is it running");
      return hasWayBack() && isRunning() ? null : "it does not run";
    },
    heldAt: async () => [],
    foreignWrites: async (side, from) => {
      await life.turn("read the log");
      const behind = servers[side].log.slice(Number(from));
      return {
        count: behind.filter(({ kind, isOurs }) => kind === "row" && !isOurs).length,
        readTo: BigInt(servers[side].log.length),
      };
    },
  };
}
