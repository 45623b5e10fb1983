/** Makes headers of the PROXY protocol, version 2, from what its specification says. */

export const V2_SIGNATURE: Buffer = Buffer.from("\r\n\r\n\0\r\nQUIT\n", "latin1");

export interface ProxyV2 {
  /** Version and command; 0x21 is PROXY, 0x20 LOCAL. */
  command?: number;
  /** Family and transport; 0x11 is TCP over IPv4. */
  way?: number;
  /** Addresses, ports, and further fields. */
  payload: readonly number[];
}

export function proxyV2({ command = 0x21, way = 0x11, payload }: ProxyV2): Buffer {
  const length = [payload.length >> 8, payload.length & 255];
  return Buffer.from([...V2_SIGNATURE, command, way, ...length, ...payload]);
}
