import { Command, InvalidArgumentError } from 'commander';
import { addClusterOptions, addOutputOption, asJson, type ClusterOptions, type CommandContext, type OutputOptions } from '../command-context.ts';
import { parseDuration } from '../duration.ts';

interface TokenOptions extends ClusterOptions, OutputOptions {
  readonly ttl?: number;
  readonly uses?: number;
}

export function tokenCommand(context: CommandContext): Command {
  const create = new Command('create')
    .description('make a token with which one cluster can join; run it against the founding cluster')
    .argument('<cluster>', 'name of the cluster that is to join, or how names begin, such as west-*')
    .option('--ttl <duration>', 'how long the token is valid, such as 15m or 1h (default: 15m)', durationOption)
    .option('--uses <number>', 'how often it can be used (default: 1)', wholeNumber);
  addOutputOption(addClusterOptions(create)).action(async (cluster: string, options: TokenOptions) => {
    const { ttl, uses } = options;
    const request = { cluster, ...(ttl === undefined ? {} : { ttlSeconds: ttl }), ...(uses === undefined ? {} : { uses }) };
    const created = await (await context.admin(options)).createToken(request, context.signal);
    if (options.output === 'json') return context.stdout(asJson(created));
    // Alone on standard output, so that it can be piped into `landbridge join -`.
    context.stdout(`${created.token}\n`);
    context.stderr(
      `This token lets ${cluster.endsWith('*') ? 'clusters' : 'cluster'} "${cluster}" join until ${new Date(created.expiresAt).toISOString()}. Whoever has it can join under ${cluster.endsWith('*') ? 'such a name' : 'that name'}: hand it over as you would a password.\n` +
        `Use it with that cluster's kubeconfig: landbridge join TOKEN, or landbridge join - to read it from standard input.\n`,
    );
  });
  return new Command('token').description('join tokens').addCommand(create);
}

function durationOption(text: string): number {
  const seconds = parseDuration(text);
  if (!seconds.ok) throw new InvalidArgumentError(seconds.error);
  return seconds.value;
}

function wholeNumber(text: string): number {
  if (!/^[1-9]\d{0,5}$/.test(text)) throw new InvalidArgumentError('It must be a whole number above 0.');
  return Number(text);
}
