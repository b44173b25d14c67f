#!/usr/bin/env node
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { BpfLinkerError, fileFailure } from './error.ts';
import { linkObjects } from './link.ts';
import { readObject } from './object-file.ts';
import { generateSkeleton } from './skeleton.ts';
import { verifyObject } from './verify.ts';
import manifest from './package.json' with { type: 'json' };

const USAGE = `usage: bpf-linker-node link -o OUT.o IN.o...
       bpf-linker-node gen skeleton IN.o [-o OUT.ts] [--codecs MODULE]
       bpf-linker-node verify IN.o
       bpf-linker-node --help | --version

link      links compiled BPF objects into one, by libbpf
gen       writes a TypeScript module of what an object declares: maps with codecs, programs, globals, enumerations;
          to standard output without -o. MODULE is where it imports the codecs from: bpf-linker-node/codec
verify    has the running kernel's verifier look at an object; needs the capabilities that loading needs
`;

const EXIT = { usage: 64, failed: 1 } as const;

function run(argv: readonly string[]): void {
  const { values, positionals } = read(argv);
  if (values.help === true) return void process.stdout.write(USAGE);
  if (values.version === true) return void process.stdout.write(`${manifest.version}\n`);
  const [command, ...rest] = positionals;
  switch (command) {
    case 'link': {
      if (values.output === undefined || rest.length === 0) throw usage('link needs -o and at least one object');
      return linkObjects(values.output, rest);
    }
    case 'gen': {
      const [what, input, ...more] = rest;
      if (what !== 'skeleton' || input === undefined || more.length > 0) throw usage('gen makes a skeleton of one object');
      return write(values.output, generateSkeleton(readObject(input), { of: path.basename(input), ...(values.codecs === undefined ? {} : { codecs: values.codecs }) }));
    }
    case 'verify': {
      const [input, ...more] = rest;
      if (input === undefined || more.length > 0) throw usage('verify looks at one object');
      return verifyObject(input);
    }
    default:
      throw usage(command === undefined ? 'no command' : `there is no command ${command}`);
  }
}

function read(argv: readonly string[]) {
  try {
    return parseArgs({ args: [...argv], allowPositionals: true, options: { output: { type: 'string', short: 'o' }, codecs: { type: 'string' }, help: { type: 'boolean', short: 'h' }, version: { type: 'boolean' } } });
  } catch (thrown) {
    throw usage(thrown instanceof Error ? thrown.message : String(thrown));
  }
}

const usage = (message: string): BpfLinkerError => new BpfLinkerError('usage', message, { hint: USAGE });

function write(file: string | undefined, text: string): void {
  if (file === undefined) return void process.stdout.write(text);
  try {
    writeFileSync(file, text);
  } catch (thrown) {
    throw fileFailure(file, 'written', thrown);
  }
}

try {
  run(process.argv.slice(2));
} catch (thrown) {
  if (!(thrown instanceof BpfLinkerError)) throw thrown;
  process.stderr.write(`bpf-linker-node: ${thrown.message}\n${thrown.hint === undefined ? '' : `${thrown.hint.trimEnd()}\n`}`);
  process.exitCode = thrown.code === 'usage' ? EXIT.usage : EXIT.failed;
}
