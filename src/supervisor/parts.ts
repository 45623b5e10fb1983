/** What a supervisor is made of, for those who act on a running one (effects.ts, ctl-target.ts). */
import type { Config } from "../config/config.ts";
import type { AppFacts } from "./workers/conversation.ts";
import type { PrivateDirectory } from "./directory.ts";
import type { Dumps } from "./workers/dump.ts";
import type { EffectTools } from "./effects.ts";
import type { Fleet } from "./fleet/fleet.ts";
import type { ReloadWatch } from "./reload-watch.ts";
import type { Upkeep } from "./upkeep.ts";

export interface SupervisorParts extends EffectTools {
  readonly directory: PrivateDirectory;
  readonly fleet: Fleet;
  readonly upkeep: Upkeep;
  readonly dumps: Dumps;
  readonly reloads: ReloadWatch;
  readonly facts: AppFacts;
  readonly config: Config;
  readonly stopping: boolean;
}
