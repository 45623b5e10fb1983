/**
 * Bounds of an HTTP/2 connection that keep a client from making us work or remember for little of its own. Whoever exceeds one of them
 * loses the connection with ENHANCE_YOUR_CALM.
 */

/** Milliseconds in which the counts of FLOODS are taken together. */
export const FLOOD_WINDOW_MS = 10_000;

export interface FloodBound {
  /** So many in a window of time are always allowed. */
  readonly base: number;
  /** So many more for each request that was answered completely in the window. */
  readonly perRequest: number;
  /** So many more for each DATA frame that we sent in the window, dribbles not counted. */
  readonly perFrame: number;
}

/**
 * Frames that cost us more than they cost the client, or that move nothing on. Honest clients stay far below: browsers cancel the
 * requests of a page that is left (about a hundred), and acknowledge what they get.
 */
export const FLOODS = {
  /**
   * Streams ended before their answer: the client's RST_STREAM (rapid reset, CVE-2023-44487), our RST_STREAM for an error of the
   * client's (MadeYouReset, CVE-2025-8671), streams refused for their number.
   */
  aborts: { base: 200, perRequest: 1, perFrame: 0 },
  /** PING frames: each is answered. Clients that measure the path ping for each burst of data that they get. */
  pings: { base: 1000, perRequest: 1, perFrame: 1 },
  /** SETTINGS frames: each is answered and may change every stream. */
  settings: { base: 100, perRequest: 0, perFrame: 0 },
  /** DATA frames without data that end nothing. */
  emptyData: { base: 1000, perRequest: 0, perFrame: 0 },
  /** PRIORITY and PRIORITY_UPDATE frames. */
  priorities: { base: 1000, perRequest: 4, perFrame: 0 },
  /** WINDOW_UPDATE frames: honest ones answer DATA, for the stream and for the connection. */
  windowUpdates: { base: 1000, perRequest: 4, perFrame: 4 },
  /** Frames that are read and ignored: of unknown types, on streams that are over, acknowledgements of nothing. */
  strays: { base: 1000, perRequest: 4, perFrame: 1 },
  /** DATA frames that a nearly shut window made smaller than DRIBBLE_BYTES (CVE-2019-9511). */
  dribbles: { base: 1000, perRequest: 1, perFrame: 1 },
} as const satisfies Record<string, FloodBound>;

export type FloodName = keyof typeof FLOODS;

/** A DATA frame with fewer bytes, though more are queued, is counted as a dribble. */
export const DRIBBLE_BYTES = 256;

/** Frames of one header block: a block of HEADER_BLOCK_BYTES_MIN in full frames takes 8. */
export const HEADER_BLOCK_FRAMES_MAX = 64;
/**
 * Compressed bytes of one header block: twice what its fields may be, and never less than this. Beyond, decoding it to answer 431 is not
 * worth it.
 */
export const HEADER_BLOCK_BYTES_MIN = 128 * 1024;

/**
 * Answers (acknowledgements, resets, window updates) that wait because the client does not read: 17 bytes each at most,
 * about 20 KiB of a connection.
 */
export const REPLIES_QUEUED_MAX = 1000;

/** Streams that ended lately whose way of ending is remembered, to tell frames that were on their way from errors. */
export const CLOSED_REMEMBERED = 256;

/** Bytes in the output that DATA may still be put behind at once; what is beyond waits in its stream's queue, where priorities count. */
export const OUTPUT_BYTES_MAX = 256 * 1024;
/** DATA of up to so many bytes goes to the output at once, whatever waits: a small answer is not held up by a large one. */
export const SMALL_DATA_BYTES = 4096;
/** DATA frames are at most this large, however much the client allows: streams of equal urgency alternate by frames. */
export const DATA_FRAME_BYTES_MAX = 64 * 1024;
