/**
 * Watches source files for development: tells which Python files below some directories were
 * changed, made or removed, a moment after the last of a burst of changes. Directories that appear
 * later are watched too. Where the system cannot watch (no inotify watches left, a network drive
 * that fails), files are looked at every second instead.
 */
import type { FSWatcher } from "node:fs";
import { readdirSync, statSync, watch } from "node:fs";
import { join, relative } from "node:path";

/** An editor's save is several events: writing aside, renaming, changing the mode. */
const DEBOUNCE_MS = 50;
const POLL_MS = 1000;
/** Far more than any project; a root directory given by mistake must not exhaust the system. */
const DIRECTORIES_MAX = 20_000;

const SKIPPED_DIRECTORIES: ReadonlySet<string> = new Set(["__pycache__", "node_modules"]);
/** Every virtual environment has one. */
const ENVIRONMENT_MARK = "pyvenv.cfg";

export interface WatchOptions {
  readonly directories: readonly string[];
  /** Globs, against the path below the watched directory and against the file's name. */
  readonly exclude: readonly string[];
  /** Paths of what changed, sorted. */
  changed(paths: readonly string[]): void;
}

export function watchSources(options: WatchOptions): { close(): void } {
  const watcher = new SourceWatcher(options);
  watcher.start();
  return watcher;
}

/** What tells one state of a file from another. */
type Stamp = string;

class SourceWatcher {
  readonly #options: WatchOptions;
  readonly #excluded: readonly Bun.Glob[];
  readonly #watchers = new Map<string, FSWatcher>();
  /** State of each source file, by path: events without a change are dropped. */
  readonly #files = new Map<string, Stamp>();
  #changed = new Set<string>();
  #debounce: Timer | null = null;
  #poll: Timer | null = null;

  constructor(options: WatchOptions) {
    this.#options = options;
    this.#excluded = options.exclude.map((pattern) => new Bun.Glob(pattern));
  }

  start(): void {
    for (const root of this.#options.directories) this.#enter(root, root, false);
  }

  close(): void {
    for (const watcher of this.#watchers.values()) watcher.close();
    this.#watchers.clear();
    if (this.#debounce !== null) clearTimeout(this.#debounce);
    if (this.#poll !== null) clearInterval(this.#poll);
  }

  /** Watches a directory and all below; `isNew`: its files count as changes. */
  #enter(root: string, directory: string, isNew: boolean): void {
    if (this.#watchers.has(directory) || this.#watchers.size >= DIRECTORIES_MAX) return;
    this.#listen(root, directory);
    // Listed after the watch began: what comes between is seen by one of the two.
    for (const { name, isDirectory } of list(directory)) {
      const path = join(directory, name);
      if (isDirectory) {
        if (!this.#skips(root, path, name)) this.#enter(root, path, isNew);
      } else if (isNew) {
        this.#look(root, path, name);
      } else if (this.#isSource(root, path, name)) {
        this.#files.set(path, stampOf(path));
      }
    }
  }

  #listen(root: string, directory: string): void {
    try {
      const watcher = watch(directory, (_event, name) => {
        if (name === null) this.#rescan(root, directory);
        else this.#event(root, directory, name);
      });
      watcher.on("error", () => this.#leave(directory));
      this.#watchers.set(directory, watcher);
    } catch {
      this.#startPolling();
    }
  }

  #event(root: string, directory: string, name: string): void {
    const path = join(directory, name);
    const found = statSync(path, { throwIfNoEntry: false });
    if (found?.isDirectory() === true) {
      if (!this.#skips(root, path, name)) this.#enter(root, path, true);
    } else {
      if (found === undefined && this.#watchers.has(path)) this.#leave(path);
      this.#look(root, path, name);
    }
  }

  #rescan(root: string, directory: string): void {
    for (const { name } of list(directory)) this.#event(root, directory, name);
  }

  #leave(directory: string): void {
    for (const [path, watcher] of this.#watchers) {
      if (path !== directory && !path.startsWith(`${directory}/`)) continue;
      watcher.close();
      this.#watchers.delete(path);
    }
    for (const path of this.#files.keys()) {
      if (path.startsWith(`${directory}/`)) this.#note(path, "");
    }
  }

  #look(root: string, path: string, name: string): void {
    if (this.#isSource(root, path, name)) this.#note(path, stampOf(path));
  }

  #note(path: string, stamp: Stamp): void {
    if ((this.#files.get(path) ?? "") === stamp) return;
    if (stamp === "") this.#files.delete(path);
    else this.#files.set(path, stamp);
    this.#changed.add(path);
    if (this.#debounce !== null) clearTimeout(this.#debounce);
    this.#debounce = setTimeout(() => this.#tell(), DEBOUNCE_MS);
  }

  #tell(): void {
    this.#debounce = null;
    const paths = [...this.#changed].sort();
    this.#changed = new Set();
    this.#options.changed(paths);
  }

  #isSource(root: string, path: string, name: string): boolean {
    return name.endsWith(".py") && !this.#isExcluded(root, path, name);
  }

  #skips(root: string, path: string, name: string): boolean {
    if (name.startsWith(".") || SKIPPED_DIRECTORIES.has(name)) return true;
    if (statSync(join(path, ENVIRONMENT_MARK), { throwIfNoEntry: false }) !== undefined)
      return true;
    return this.#isExcluded(root, path, name);
  }

  #isExcluded(root: string, path: string, name: string): boolean {
    if (this.#excluded.length === 0) return false;
    const below = relative(root, path);
    return this.#excluded.some((glob) => glob.match(below) || glob.match(name));
  }

  #startPolling(): void {
    this.#poll ??= setInterval(() => {
      for (const root of this.#options.directories) this.#pollBelow(root, root, 0);
      for (const path of this.#files.keys()) this.#note(path, stampOf(path));
    }, POLL_MS);
  }

  #pollBelow(root: string, directory: string, depth: number): void {
    if (depth > 32) return;
    for (const { name, isDirectory } of list(directory)) {
      const path = join(directory, name);
      if (!isDirectory) this.#look(root, path, name);
      else if (!this.#skips(root, path, name)) this.#pollBelow(root, path, depth + 1);
    }
  }
}

function list(directory: string): { name: string; isDirectory: boolean }[] {
  try {
    return readdirSync(directory, { withFileTypes: true }).map((entry) => {
      return { name: entry.name, isDirectory: entry.isDirectory() };
    });
  } catch {
    return [];
  }
}

/** Size and time of change; empty: there is none. */
function stampOf(path: string): Stamp {
  const found = statSync(path, { throwIfNoEntry: false });
  return found === undefined ? "" : `${found.mtimeMs} ${found.size} ${found.ino}`;
}
