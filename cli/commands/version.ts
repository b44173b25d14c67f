import { Command } from 'commander';
import type { CommandContext } from '../command-context.ts';

export function versionCommand(context: CommandContext): Command {
  return new Command('version').description('print the version of this program').action(() => context.stdout(`${context.version}\n`));
}
