import { Command } from 'commander';
import { type CheckResult, foundProblems, judge } from '../checks.ts';
import { addClusterOptions, addOutputOption, asJson, type ClusterOptions, type CommandContext, type OutputOptions } from '../command-context.ts';
import { EXIT } from '../exit-codes.ts';
import { printable } from '../text-table.ts';

export function checkCommand(context: CommandContext): Command {
  const command = new Command('check').description(`look for what is wrong in this cluster; ends with ${EXIT.checkFoundProblems} when something is`);
  return addOutputOption(addClusterOptions(command)).action(async (options: ClusterOptions & OutputOptions) => {
    const results = judge(await context.observe(options));
    context.stdout(options.output === 'json' ? asJson({ checks: results }) : checkText(results));
    if (foundProblems(results)) context.setExitCode(EXIT.checkFoundProblems);
  });
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
