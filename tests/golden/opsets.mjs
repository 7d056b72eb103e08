// node opsets.mjs FOLDER MODEL NUMBERS: runs MODEL in the ONNX Runtime of FOLDER on NUMBERS/input.npy and compares its first output with
// NUMBERS/output.npy: at most 1e-4 of the largest value. Exit code 1: beyond that.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';

const [folder, model, numbers] = process.argv.slice(2);
const ort = createRequire(resolve(folder) + '/')('onnxruntime-node');

function readNpy(path) {
  const bytes = readFileSync(path);
  const end = 10 + bytes.readUInt16LE(8);
  const header = bytes.subarray(10, end).toString();
  if (!header.includes("'<f4'")) throw new Error(`${path} holds no float32`);
  const shape = header.match(/\(([^)]*)\)/)[1].split(',').filter((word) => word.trim()).map(Number);
  return { shape, data: new Float32Array(bytes.buffer.slice(bytes.byteOffset + end, bytes.byteOffset + bytes.length)) };
}

const input = readNpy(join(numbers, 'input.npy'));
const expected = readNpy(join(numbers, 'output.npy')).data;
const session = await ort.InferenceSession.create(model, { graphOptimizationLevel: 'disabled' });
const found = (await session.run({ [session.inputNames[0]]: new ort.Tensor('float32', input.data, input.shape) }))[session.outputNames[0]].data;
let difference = found.length === expected.length ? 0 : Infinity, largest = 0;
for (let i = 0; i < expected.length; i++) {
  difference = Math.max(difference, Math.abs(found[i] - expected[i]));
  largest = Math.max(largest, Math.abs(expected[i]));
}
console.log(`ONNX Runtime: worst difference ${difference.toPrecision(3)} of ${largest.toPrecision(6)}`);
process.exit(difference <= 1e-4 * largest ? 0 : 1);
