/** The version of this program: package.json says it, nothing else. */
import manifest from "../../package.json" with { type: "json" };

export const VERSION: string = manifest.version;

export function versionText(): string {
  return `keelback ${VERSION} (Bun ${Bun.version})\n`;
}
