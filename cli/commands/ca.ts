import { Command } from 'commander';
import type { RotationStatus } from '@landbridge/federation/admin/admin-api.ts';
import { addClusterOptions, addOutputOption, asJson, type ClusterOptions, type CommandContext, type OutputOptions } from '../command-context.ts';
import { age } from '../text-table.ts';

interface RotateOptions extends ClusterOptions, OutputOptions {
  readonly status?: boolean;
  readonly force?: boolean;
}

const PHASES: Readonly<Record<RotationStatus['phase'], string>> = {
  none: 'One root signs, and is the only one that agents and members are told.',
  distributing: 'Both roots are told, the old one signs.',
  retiring: 'Both roots are told, the new one signs.',
};
const STEPS: Readonly<Record<RotationStatus['next'], string>> = {
  add: 'makes a new root and tells it to all agents and members',
  sign: 'has the new root sign from then on',
  remove: 'takes the old root back; what still shows a certificate of it is cut',
};

export function caCommand(context: CommandContext): Command {
  const rotate = new Command('rotate')
    .description('make the next step of a change of this cluster’s root: three in all, a day or more apart')
    .option('--status', 'only say where it stands')
    .option('--force', 'make the step although something stands in its way: whoever does not have the root yet is cut off');
  addOutputOption(addClusterOptions(rotate)).action(async (options: RotateOptions) => {
    const admin = await context.admin(options);
    const status = options.status === true ? await admin.rotation(context.signal) : await admin.rotate(options.force === true, context.signal);
    context.stdout(options.output === 'json' ? asJson(status) : rotationText(status, context.clock()));
  });
  return new Command('ca').description('the certificate authority of a cluster').addCommand(rotate);
}

export function rotationText({ phase, since, next, obstacles }: RotationStatus, nowMs: number): string {
  const lines = [`${PHASES[phase]}${since === undefined ? '' : ` For ${age(since, nowMs)}.`}`, `The next step ${STEPS[next]}.`];
  if (obstacles.length > 0) lines.push('It can not be made yet:', ...obstacles.map((obstacle) => `  ${obstacle}`));
  return `${lines.join('\n')}\n`;
}
