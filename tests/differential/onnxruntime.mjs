// ONNX Runtime as a filter: models and inputs on standard input, outputs on standard output. node onnxruntime.mjs FOLDER, where FOLDER holds
// node_modules/onnxruntime-node.
//
// A message, both ways: the length of a JSON text as 4 bytes (little endian), the text, then the bytes it announces, one block after the other.
//   request  {model: bytes, feeds: [{name, type, dimensions, bytes | strings}]}
//   answer   {outputs: {name: {type, dimensions, bytes | strings}}} or {error, stage: "load" | "run"}
import { readSync, writeSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';

const ort = createRequire(join(resolve(process.argv[2]), 'x.js'))('onnxruntime-node');
ort.env.logLevel = 'fatal';

const arrays = {
  float32: Float32Array, float64: Float64Array, float16: globalThis.Float16Array ?? Uint16Array, bool: Uint8Array,
  int8: Int8Array, int16: Int16Array, int32: Int32Array, int64: BigInt64Array,
  uint8: Uint8Array, uint16: Uint16Array, uint32: Uint32Array, uint64: BigUint64Array,
};

function read(size) {
  const buffer = Buffer.alloc(size);
  for (let at = 0; at < size;) {
    const n = readSync(0, buffer, at, size - at, null);
    if (n === 0) process.exit(0);
    at += n;
  }
  return buffer;
}
function write(buffer) {
  for (let at = 0; at < buffer.length;) at += writeSync(1, buffer, at);
}
function answer(document, blocks = []) {
  const text = Buffer.from(JSON.stringify(document));
  const length = Buffer.alloc(4);
  length.writeUInt32LE(text.length);
  write(Buffer.concat([length, text, ...blocks]));
}

for (;;) {
  const request = JSON.parse(read(read(4).readUInt32LE()).toString());
  const model = read(request.model);
  const feeds = {};
  for (const feed of request.feeds) {
    if (feed.strings) {
      feeds[feed.name] = new ort.Tensor('string', feed.strings, feed.dimensions);
    } else {
      const bytes = read(feed.bytes);
      const copy = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length);
      feeds[feed.name] = new ort.Tensor(feed.type, new arrays[feed.type](copy), feed.dimensions);
    }
  }
  let stage = 'load', session;
  try {
    session = await ort.InferenceSession.create(model, { graphOptimizationLevel: 'disabled', intraOpNumThreads: 1, interOpNumThreads: 1, logSeverityLevel: 4 });
    stage = 'run';
    const results = await session.run(feeds);
    const outputs = {}, blocks = [];
    for (const [name, tensor] of Object.entries(results)) {
      if (tensor.type === 'string') {
        outputs[name] = { type: 'string', dimensions: tensor.dims, strings: tensor.data };
      } else {
        const data = Buffer.from(tensor.data.buffer, tensor.data.byteOffset, tensor.data.byteLength);
        outputs[name] = { type: tensor.type, dimensions: tensor.dims, bytes: data.length };
        blocks.push(data);
      }
    }
    answer({ outputs }, blocks);
  } catch (error) {
    answer({ error: String(error.message), stage });
  }
  await session?.release();
}
