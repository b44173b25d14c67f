import { mkdtempSync, renameSync, rmSync } from 'node:fs';
import path from 'node:path';
import { parseElf } from './elf.ts';
import { BpfLinkerError, fileFailure } from './error.ts';
import { errorName, lastErrorName, libbpf, takeMessages } from './libbpf.ts';
import { readBytes } from './object-file.ts';

/**
 * Links compiled BPF objects into one, by libbpf's linker: what `bpftool gen object` makes. A single object should go
 * through it as well, which fills in the offsets of BTF's data sections that clang leaves at zero. `output` is replaced
 * only by a whole object.
 *
 * @throws BpfLinkerError `link` with all that libbpf said, `file`, `bad-object`, `no-libbpf`
 */
export function linkObjects(output: string, inputs: readonly string[]): void {
  if (inputs.length === 0) throw new BpfLinkerError('usage', `there is nothing to link to ${output}`);
  // Not left to libbpf: version 1.1 may end the process over a file that is no ELF file.
  for (const input of inputs) checkIsObject(input);
  const directory = makeDirectoryBeside(output);
  try {
    // Of the output's name, by which libbpf may name what it makes.
    const whole = path.join(directory, path.basename(output));
    linkTo(whole, output, inputs);
    renameSync(whole, output);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

function linkTo(whole: string, output: string, inputs: readonly string[]): void {
  const { linkerNew, linkerAdd, linkerFinalize, linkerFree } = libbpf();
  takeMessages();
  const linker: unknown = linkerNew(whole, null);
  if (linker === null) throw refused(`${output} can not be written`, lastErrorName());
  try {
    for (const input of inputs) {
      const result = linkerAdd(linker, input, null) as number;
      if (result < 0) throw refused(`${input} can not be linked`, errorName(result));
    }
    const result = linkerFinalize(linker) as number;
    if (result < 0) throw refused(`${output} can not be finished`, errorName(result));
  } finally {
    linkerFree(linker);
  }
}

function refused(what: string, error: string): BpfLinkerError {
  return new BpfLinkerError('link', [`${what}: ${error}`, ...takeMessages()].join('\n'));
}

function checkIsObject(file: string): void {
  const elf = parseElf(readBytes(file));
  if (!elf.ok) throw new BpfLinkerError('bad-object', `${file}: ${elf.error}`);
}

function makeDirectoryBeside(output: string): string {
  try {
    return mkdtempSync(path.join(path.dirname(output), '.bpf-linker-node-'));
  } catch (thrown) {
    throw fileFailure(output, 'written', thrown);
  }
}
