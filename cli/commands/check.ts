import { type KernelReport, missingOf } from '@landbridge/core/kernel-report.ts';
import { Command } from 'commander';
import { type CheckResult, foundProblems, judge } from '../checks.ts';
import { addClusterOptions, addOutputOption, asJson, type ClusterOptions, type CommandContext, type OutputOptions } from '../command-context.ts';
import { EXIT } from '../exit-codes.ts';
import { printable, textTable } from '../text-table.ts';

export function checkCommand(context: CommandContext): Command {
  const command = new Command('check').description(`look for what is wrong in this cluster; ends with ${EXIT.checkFoundProblems} when something is`);
  command.option('--node <name>', 'tell of the kernel of one node instead, feature by feature');
  return addOutputOption(addClusterOptions(command)).action(async (options: ClusterOptions & OutputOptions & { readonly node?: string }) => {
    if (options.node !== undefined) {
      const report = await context.kernelOf(options.node, options);
      context.stdout(options.output === 'json' ? asJson(report) : kernelText(report));
      if (missingOf(report).length > 0) context.setExitCode(EXIT.checkFoundProblems);
      return;
    }
    const results = judge(await context.observe(options), context.clock());
    context.stdout(options.output === 'json' ? asJson({ checks: results }) : checkText(results));
    if (foundProblems(results)) context.setExitCode(EXIT.checkFoundProblems);
  });
}

export function kernelText(report: KernelReport): string {
  const rows = report.features.map(({ name, since, purpose, isThere }) => [isThere ? 'ok' : 'missing', name, since, purpose]);
  return `Linux ${printable(report.release)}\n${textTable(['state', 'feature', 'since', 'what for'], rows)}\n${report.features.length - missingOf(report).length} ok, ${missingOf(report).length} missing\n`;
}

export function checkText(results: readonly CheckResult[]): string {
  const width = Math.max(...results.map(({ id }) => id.length));
  const lines = results.flatMap(({ id, state, message, hint }) => [
    `${state.padEnd(7)}  ${id.padEnd(width)}  ${printable(message)}\n`,
    ...(hint === undefined ? [] : [`${' '.repeat(7 + 2 + width + 2)}${printable(hint)}\n`]),
  ]);
  const count = (wanted: string): number => results.filter(({ state }) => state === wanted).length;
  return `${lines.join('')}\n${count('ok')} ok, ${count('failed')} failed, ${count('unknown')} unknown\n`;
}
