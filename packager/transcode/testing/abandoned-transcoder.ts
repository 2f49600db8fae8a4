/** A program for one test: runs a transcoder, prints the process id of its FFmpeg, and waits to be killed. */
import { systemClock } from '../../../core/lifecycle/clock.ts';
import { silentLogger } from '../../../core/logger.ts';
import { createTranscoderFactory } from '../transcoder-factory.ts';
import { makeTestAudio } from './test-media.ts';

const track = makeTestAudio({ durationSeconds: 1 });
const transcoder = createTranscoderFactory({ clock: systemClock }).createAudio({
	input: track.config,
	output: { codec: 'opus', bitrateBps: 128_000, sampleRate: 48_000, channelCount: 2 },
	trackId: 'audio0',
	run: 0,
	logger: silentLogger,
});
transcoder.on('accessUnit', () => process.stdout.write(`${transcoder.statistics.processId}\n`), { once: true });
for (const unit of track.units) {
	transcoder.write(unit);
}
// Its FFmpeg keeps the program alive.
