/**
 * The Huffman code of HPACK (RFC 7541 section 5.2 and appendix B). The code is canonical, so the lengths of its symbols say it all.
 *
 * Decoding is a state machine over whole bytes: a state is an inner node of the code's tree, and one load of `STEPS` gives the symbols that
 * a byte completes (two at most: the shortest code has five bits) and the node it ends in. The 256 KiB are shared by all connections; text
 * touches a small part of them.
 */

/** Code lengths of the symbols 0 to 256 (EOS): `length*repetitions`. */
const LENGTHS: Uint8Array = lengthsOf(
  "13 23 28*7 24 30 28*2 30 28*8 30 28*9 6 10*2 12 13 6 8 11 10*2 8 11 8 6*3 5*3 6*7 7 8 15 6 12 10 13 6 " +
    "7*22 8 7 8 13 19 13 14 6 15 5 6 5 6 5 6*3 5 7*2 6*3 5 6 7 6 5*2 6 7*5 15 11 14 13 28 20 22 20*2 22*3 " +
    "23 22 23*5 24 23 24*2 22 23 24 23*4 21 22 23 22 23*2 24 22 21 20 22*2 23*2 21 23 22*2 24 21 22 23*2 " +
    "21*2 22 21 23 22 23*2 20 22*3 23 22*2 23 26*2 20 19 22 23 22 25 26*3 27*2 26 24 25 19 21 26 27*2 26 " +
    "27 24 21*2 26*2 28 27*3 20 24 20 21 22 21*2 23 22*2 25*2 24*2 26 23 26 27 26*2 27*5 28 27*5 26 30",
);
const EOS = 256;
const CODES: Uint32Array = codesOf(LENGTHS);

/** Fields of a word of STEPS: bits 0-7 next node, 8-15 and 16-23 symbols, 24-25 their number, 26 EOS was met. */
const NODE_BITS = 8;
const COUNT_SHIFT = 24;
const EOS_MET = 1 << 26;
const CHILDREN: Int16Array = treeOf(CODES, LENGTHS);
const STEPS: Uint32Array = stepsOf(CHILDREN);
/** 1 for the nodes where a string may end: the root, and up to seven ones from it. */
const PADDING: Uint8Array = paddingOf(CHILDREN);

/** Bytes that a decoded string may need, for `length` encoded ones; one more is written to and not used. */
export function huffmanRoom(length: number): number {
  return ((length * 8) / 5 + 2) | 0;
}

/**
 * Decodes `bytes[from..to)` to `out` at `at`; the position after the last symbol, or -1 when EOS is met or the padding is not fewer than
 * eight ones (section 5.2). `out` must have `huffmanRoom`.
 */
export function huffmanDecode(
  bytes: Uint8Array,
  from: number,
  to: number,
  out: Uint8Array,
  at: number,
): number {
  let node = 0;
  let met = 0;
  let o = at;
  for (let i = from; i < to; i++) {
    const step = STEPS[(node << NODE_BITS) | bytes[i]!]!;
    out[o] = step >>> 8;
    out[o + 1] = step >>> 16;
    o += (step >>> COUNT_SHIFT) & 3;
    met |= step;
    node = step & 0xff;
  }
  return (met & EOS_MET) === 0 && PADDING[node] === 1 ? o : -1;
}

/** Bytes that `bytes[from..to)` would have encoded. */
export function huffmanLength(bytes: Uint8Array, from: number, to: number): number {
  let bits = 0;
  for (let i = from; i < to; i++) bits += LENGTHS[bytes[i]!]!;
  return (bits + 7) >>> 3;
}

/** Encodes `bytes[from..to)` to `out` at `at`; the position after the last byte. */
export function huffmanEncode(
  bytes: Uint8Array,
  from: number,
  to: number,
  out: Uint8Array,
  at: number,
): number {
  let o = at;
  let pending = 0;
  let held = 0;
  for (let i = from; i < to; i++) {
    let code = CODES[bytes[i]!]!;
    let length = LENGTHS[bytes[i]!]!;
    if (length > 16) {
      // With up to seven bits held, a long code would not fit 32 bits: its upper part goes first.
      pending = (pending << (length - 16)) | (code >>> 16);
      held += length - 16;
      while (held >= 8) out[o++] = pending >>> (held -= 8);
      code &= 0xffff;
      length = 16;
    }
    pending = (pending << length) | code;
    held += length;
    while (held >= 8) out[o++] = pending >>> (held -= 8);
  }
  if (held > 0) out[o++] = (pending << (8 - held)) | (0xff >>> held);
  return o;
}

function lengthsOf(text: string): Uint8Array {
  const lengths: number[] = [];
  for (const run of text.split(" ")) {
    const [length = 0, repetitions = 1] = run.split("*").map(Number);
    for (let i = 0; i < repetitions; i++) lengths.push(length);
  }
  return Uint8Array.from(lengths);
}

/** The canonical code: shorter codes first, equal ones in the order of their symbols. */
function codesOf(lengths: Uint8Array): Uint32Array {
  const codes = new Uint32Array(lengths.length);
  let code = 0;
  for (let length = 1; length <= 30; length++) {
    code *= 2;
    for (let symbol = 0; symbol < lengths.length; symbol++) {
      if (lengths[symbol] === length) codes[symbol] = code++;
    }
  }
  return codes;
}

/** Children by node and bit: an inner node, or 256 + symbol. A full tree of 257 leaves has 256 inner nodes. */
function treeOf(codes: Uint32Array, lengths: Uint8Array): Int16Array {
  const children = new Int16Array(512).fill(-1);
  let nodes = 1;
  for (let symbol = 0; symbol < codes.length; symbol++) {
    let node = 0;
    for (let bit = lengths[symbol]! - 1; bit > 0; bit--) {
      const edge = node * 2 + ((codes[symbol]! >>> bit) & 1);
      if (children[edge]! < 0) children[edge] = nodes++;
      node = children[edge]!;
    }
    children[node * 2 + (codes[symbol]! & 1)] = 256 + symbol;
  }
  return children;
}

function stepsOf(children: Int16Array): Uint32Array {
  // Four bits first: a step of eight is two of them.
  const halves = new Uint32Array(256 * 16);
  for (let i = 0; i < halves.length; i++) halves[i] = walk(children, i >>> 4, i & 15);
  const steps = new Uint32Array(256 * 256);
  for (let i = 0; i < halves.length; i++) {
    const first = halves[i]!;
    const shift = first >>> COUNT_SHIFT === 0 ? 0 : NODE_BITS;
    const kept = first - (first & 0xff);
    for (let j = 0; j < 16; j++) {
      const second = halves[((first & 0xff) << 4) | j]!;
      const symbol = second & 0xff00;
      steps[(i << 4) | j] = kept + second - symbol + (symbol << shift);
    }
  }
  return steps;
}

function paddingOf(children: Int16Array): Uint8Array {
  const padding = new Uint8Array(256);
  for (let node = 0, ones = 0; ones < 8; ones++) {
    padding[node] = 1;
    node = children[node * 2 + 1]!;
  }
  return padding;
}

/** What four bits do at a node: at most one symbol. */
function walk(children: Int16Array, from: number, bits: number): number {
  let node = from;
  let found = 0;
  for (let bit = 3; bit >= 0; bit--) {
    const next = children[node * 2 + ((bits >>> bit) & 1)]!;
    if (next < 256) {
      node = next;
    } else {
      if (next === 256 + EOS) found |= EOS_MET;
      else found |= ((next - 256) << NODE_BITS) | (1 << COUNT_SHIFT);
      node = 0;
    }
  }
  return found | node;
}
