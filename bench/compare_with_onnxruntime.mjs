// Median latency of compiled artifacts beside ONNX Runtime's, interleaved in one run so that both see the same machine.
//   node compare_with_onnxruntime.mjs --lathe build/bin/lathe [--threads 1,2] [--rounds 7] [--runs 20] MODEL.onnx[:NAME=1x3x640x640]...
// Needs `npm install --ignore-scripts onnxruntime-node` in this folder (run.sh does it). Compiles each model first, prints a table.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import { createRequire } from 'node:module';

const ort = createRequire(import.meta.url)('onnxruntime-node');
const { values: options, positionals: models } = parseArgs({
  allowPositionals: true,
  options: {
    lathe: { type: 'string', default: 'lathe' },
    threads: { type: 'string', default: '1,2' },
    rounds: { type: 'string', default: '7' },
    runs: { type: 'string', default: '20' },
  },
});

const median = (numbers) => [...numbers].sort((a, b) => a - b)[Math.floor(numbers.length / 2)];

// One session and its inputs, filled with a fixed pseudo-random sequence in [0, 1).
async function openSession(path, shapes, threads) {
  const session = await ort.InferenceSession.create(path, { intraOpNumThreads: threads, executionMode: 'sequential', graphOptimizationLevel: 'all' });
  const feeds = {};
  for (const input of session.inputMetadata) {
    const dimensions = shapes[input.name] ?? input.shape.map((d) => (typeof d === 'number' && d > 0 ? d : 1));
    const data = new Float32Array(dimensions.reduce((a, b) => a * b, 1));
    let state = 1;
    for (let i = 0; i < data.length; i++) data[i] = (state = (state * 16807) % 2147483647) / 2147483647;
    feeds[input.name] = new ort.Tensor('float32', data, dimensions);
  }
  return { session, feeds };
}

async function timeSession({ session, feeds }, runs) {
  const times = [];
  for (let i = 0; i < runs; i++) {
    const begin = process.hrtime.bigint();
    await session.run(feeds);
    times.push(Number(process.hrtime.bigint() - begin) / 1e6);
  }
  return median(times);
}

console.log(`processor: ${cpus()[0].model}, ${cpus().length} cores; flags: ${flags().join(' ')}`);
console.log('model'.padEnd(28), 'threads', ' lathe ms', '  ort ms', '   ratio', ' compile s');
const scratch = mkdtempSync(join(tmpdir(), 'lathe-bench-'));
try {
  for (const argument of models) {
    const [path, ...pins] = argument.split(':');
    const shapes = Object.fromEntries(pins.map((pin) => { const [name, dims] = pin.split('='); return [name, dims.split('x').map(Number)]; }));
    const begin = Date.now();
    const compiled = execFileSync(options.lathe, ['compile', path, '--verify', 'off', '--quiet', '-o', scratch, ...pins.flatMap((pin) => ['--shape', pin])], { encoding: 'utf8' });
    const seconds = (Date.now() - begin) / 1000;
    const artifact = compiled.trim().split('\n').at(-1);
    for (const threads of options.threads.split(',').map(Number)) {
      const session = await openSession(path, shapes, threads);
      await timeSession(session, 3);
      const ours = [], theirs = [];
      for (let round = 0; round < Number(options.rounds); round++) {
        ours.push(JSON.parse(execFileSync(options.lathe, ['bench', artifact, '--threads', String(threads), '--runs', options.runs, '--json'], { encoding: 'utf8' })).median_ms);
        theirs.push(await timeSession(session, Number(options.runs)));
      }
      await session.session.release();
      const [a, b] = [median(ours), median(theirs)];
      console.log(label(path).padEnd(28), String(threads).padStart(7), a.toFixed(2).padStart(9), b.toFixed(2).padStart(8), (a / b).toFixed(2).padStart(8), seconds.toFixed(1).padStart(10));
    }
  }
} finally {
  rmSync(scratch, { recursive: true, force: true });
}

// Networks that are all called model.onnx are told apart by their folder.
function label(path) {
  return basename(path) === 'model.onnx' ? basename(dirname(path)) : basename(path, '.onnx');
}

// What decides speed here, as the kernel names it.
function flags() {
  const line = readFileSync('/proc/cpuinfo', 'utf8').split('\n').find((l) => l.startsWith('flags') || l.startsWith('Features')) ?? '';
  return line.split(' ').filter((f) => ['avx2', 'avx512f', 'avx512_vnni', 'amx_tile', 'amx_int8', 'amx_bf16', 'asimd', 'asimddp'].includes(f));
}
