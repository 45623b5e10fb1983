/** What the client's SETTINGS say (RFC 9113 section 6.5.2), checked. */
import { FRAME_BYTES_MAX, FRAME_BYTES_MIN, H2Code, readU32, Setting } from "./frames.ts";
import { WINDOW_BYTES_INITIAL, WINDOW_BYTES_MAX } from "./flow.ts";

export const SETTING_BYTES = 6;

export class PeerSettings {
  headerTableBytes = 4096;
  /** The least that the last SETTINGS frame said on its way to `headerTableBytes` (RFC 7541 section 4.2). */
  headerTableBytesLeast = 4096;
  windowBytes: number = WINDOW_BYTES_INITIAL;
  frameBytesMax: number = FRAME_BYTES_MIN;
  #noRfc7540 = 0;
  #first = true;

  /** Takes the payload `bytes[from..to)`; an error code (H2Code), or 0. */
  read(bytes: Uint8Array, from: number, to: number): number {
    this.headerTableBytesLeast = this.headerTableBytes;
    for (let at = from; at < to; at += SETTING_BYTES) {
      const code = this.#set((bytes[at]! << 8) | bytes[at + 1]!, readU32(bytes, at + 2));
      if (code !== H2Code.NO_ERROR) return code;
    }
    this.#first = false;
    return H2Code.NO_ERROR;
  }

  #set(name: number, value: number): number {
    switch (name) {
      case Setting.HEADER_TABLE_SIZE:
        this.headerTableBytes = value;
        this.headerTableBytesLeast = Math.min(this.headerTableBytesLeast, value);
        return H2Code.NO_ERROR;
      case Setting.ENABLE_PUSH:
      case Setting.ENABLE_CONNECT_PROTOCOL:
        return value > 1 ? H2Code.PROTOCOL_ERROR : H2Code.NO_ERROR;
      case Setting.INITIAL_WINDOW_SIZE:
        if (value > WINDOW_BYTES_MAX) return H2Code.FLOW_CONTROL_ERROR;
        this.windowBytes = value;
        return H2Code.NO_ERROR;
      case Setting.MAX_FRAME_SIZE:
        if (value < FRAME_BYTES_MIN || value > FRAME_BYTES_MAX) return H2Code.PROTOCOL_ERROR;
        this.frameBytesMax = value;
        return H2Code.NO_ERROR;
      case Setting.NO_RFC7540_PRIORITIES:
        // RFC 9218 section 2.1: said in the first SETTINGS or never.
        if (value > 1 || (!this.#first && value !== this.#noRfc7540)) return H2Code.PROTOCOL_ERROR;
        this.#noRfc7540 = value;
        return H2Code.NO_ERROR;
      default:
        return H2Code.NO_ERROR;
    }
  }
}
