import { LandbridgeError } from '@landbridge/core/errors.ts';
import { parseCommand, USAGE } from './command-line.ts';
import { perform } from './commands.ts';

/** Exit statuses after sysexits.h, as the product's own command has them. */
const STATUS_OF: Readonly<Record<string, number>> = { usage: 64, 'not-running': 69, 'machine-unfit': 69, locked: 69 };

// Who reads may go away, as `head` does: what was begun is still finished or removed.
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {});

const command = parseCommand(process.argv.slice(2));
if (!command.ok) {
  process.stderr.write(`${command.error}\n\n${USAGE}`);
  process.exitCode = 64;
} else {
  try {
    process.exitCode = await perform(command.value);
  } catch (thrown) {
    const error = LandbridgeError.from(thrown);
    process.stderr.write(`${error.message}\n${error.hint === undefined ? '' : `${error.hint}\n`}`);
    if (error.code === 'internal' && error.cause instanceof Error) process.stderr.write(`${error.cause.stack ?? ''}\n`);
    process.exitCode = STATUS_OF[error.code] ?? 1;
  }
}
