/** The command line without a process around it. */
import { Command, CommanderError } from 'commander';
import { LandbridgeError } from '@landbridge/core/errors.ts';
import type { CommandContext } from './command-context.ts';
import { caCommand } from './commands/ca.ts';
import { checkCommand } from './commands/check.ts';
import { hubCommand } from './commands/hub-init.ts';
import { joinCommand } from './commands/join.ts';
import { leaveCommand } from './commands/leave.ts';
import { revokeCommand } from './commands/revoke.ts';
import { rotateCommand } from './commands/rotate.ts';
import { servicesCommand } from './commands/services.ts';
import { statusCommand } from './commands/status.ts';
import { tokenCommand } from './commands/token.ts';
import { versionCommand } from './commands/version.ts';
import { EXIT, exitCodeOf } from './exit-codes.ts';
import { printable } from './text-table.ts';

/** Runs one command; everything that goes wrong becomes a sentence on standard error and an exit code. */
export async function runProgram(argv: readonly string[], context: Omit<CommandContext, 'setExitCode'>): Promise<number> {
  let exitCode: number = EXIT.ok;
  const program = makeProgram({
    ...context,
    setExitCode: (code) => {
      exitCode = code;
    },
  });
  try {
    await program.parseAsync([...argv], { from: 'user' });
    return exitCode;
  } catch (thrown) {
    // Commander has printed its own sentence, or the help that was asked for.
    if (thrown instanceof CommanderError) return thrown.exitCode === 0 ? EXIT.ok : EXIT.usage;
    const error = context.signal.aborted ? new LandbridgeError('interrupted', 'Interrupted.') : LandbridgeError.from(thrown);
    context.stderr(errorText(error));
    return exitCodeOf(error.code);
  }
}

export function makeProgram(context: CommandContext): Command {
  const program = new Command('landbridge')
    .description('Services of many Kubernetes clusters, as if they were one.')
    .addCommand(checkCommand(context))
    .addCommand(tokenCommand(context))
    .addCommand(joinCommand(context))
    .addCommand(leaveCommand(context))
    .addCommand(revokeCommand(context))
    .addCommand(rotateCommand(context))
    .addCommand(statusCommand(context))
    .addCommand(servicesCommand(context))
    .addCommand(hubCommand(context))
    .addCommand(caCommand(context))
    .addCommand(versionCommand(context))
    .version(context.version, '--version', 'print the version of this program');
  prepare(program, context);
  return program;
}

/** Subcommands that were added do not take these from their parent. */
function prepare(command: Command, context: CommandContext): void {
  command.exitOverride().configureOutput({ writeOut: (text) => context.stdout(text), writeErr: (text) => context.stderr(text) });
  command.showHelpAfterError('(--help tells more)');
  for (const child of command.commands) prepare(child, context);
}

function errorText(error: LandbridgeError): string {
  return `landbridge: ${printable(error.message)} [${error.code}]\n${error.hint === undefined ? '' : `  ${printable(error.hint)}\n`}`;
}
