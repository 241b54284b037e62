/* Texts of the page: compressed pieces that are unpacked when they are asked for. */

const texts = {
  pieces: new Map(), // number -> promise of its value
  ready: new Map(), // number -> its value
  lowered: new Map(), // number -> its texts in lower case

  /* The value of a piece, null where there is none. */
  async load(number) {
    if (number === null) return null;
    if (!this.pieces.has(number)) this.pieces.set(number, this.unpack(number));
    return this.pieces.get(number);
  },

  async unpack(number) {
    const place = byId(`piece-${number}`);
    const packed = atob(place.textContent);
    place.remove();
    const bytes = new Uint8Array(packed.length);
    for (let at = 0; at < packed.length; at++) bytes[at] = packed.charCodeAt(at);
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
    const value = JSON.parse(await new Response(stream).text());
    this.ready.set(number, value);
    return value;
  },

  /* A piece's lists of texts in lower case, each as long as the piece has items. */
  lower(number) {
    if (!this.lowered.has(number)) {
      const value = this.ready.get(number);
      const lists = Array.isArray(value.at(-1)) ? value.filter(Boolean) : [value];
      this.lowered.set(number, lists.map((list) => list.map((text) => text.toLowerCase())));
    }
    return this.lowered.get(number);
  },
};

/* A text in which controls and marks that turn direction show their codes. */
function visible(text) {
  return text.replaceAll("\r\n", "\n").replace(
    /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]/gu,
    (mark) => `[U+${mark.codePointAt(0).toString(16).toUpperCase().padStart(4, "0")}]`,
  );
}
