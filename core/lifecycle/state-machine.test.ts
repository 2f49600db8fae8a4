/** Tests of the state machine. */
import { describe, expect, it } from 'vitest';
import { reachableStates, StateMachine, type TransitionTable } from './state-machine.ts';
import { RecordingLogger } from '../testing/recording-logger.ts';

type State = 'new' | 'open' | 'closed';
type Event = 'opened' | 'poked' | 'failed';

const TABLE = {
	new: { opened: 'open', failed: 'closed' },
	open: { poked: 'open', failed: 'closed' },
	closed: {},
} as const satisfies TransitionTable<State, Event>;

function create(): { machine: StateMachine<State, Event>; changes: string[]; logger: RecordingLogger } {
	const [changes, logger] = [[] as string[], new RecordingLogger()];
	const onChange = (next: State, previous: State, event: Event): void =>
		void changes.push(`${previous} ${event} ${next}`);
	return {
		machine: new StateMachine<State, Event>({ table: TABLE, initial: 'new', logger, onChange }),
		changes,
		logger,
	};
}

describe('StateMachine', () => {
	it('follows its table, and reports and logs each change', () => {
		const { machine, changes, logger } = create();
		expect(machine.handle('opened')).toBe(true);
		expect(machine.handle('failed')).toBe(true);
		expect([machine.state, changes]).toEqual(['closed', ['new opened open', 'open failed closed']]);
		expect(logger.lines.map(({ level, message }) => [level, message])).toEqual([
			['info', 'new -> open (opened)'],
			['info', 'open -> closed (failed)'],
		]);
	});

	it('handles an event that leads to the same state without a report', () => {
		const { machine, changes, logger } = create();
		machine.handle('opened');
		expect(machine.handle('poked')).toBe(true);
		expect([machine.state, changes.length, logger.lines.length]).toEqual(['open', 1, 1]);
	});

	it('ignores an event that its table does not have, with a warning', () => {
		const { machine, changes, logger } = create();
		expect(machine.handle('poked')).toBe(false);
		expect([machine.state, changes]).toEqual(['new', []]);
		expect(logger.lines).toMatchObject([{ level: 'warn', fields: { state: 'new', event: 'poked' } }]);
	});

	it('has the new state when it reports a change', () => {
		let seen: State | undefined;
		const machine: StateMachine<State, Event> = new StateMachine<State, Event>({
			table: TABLE,
			initial: 'new',
			logger: new RecordingLogger(),
			onChange: () => (seen = machine.state),
		});
		machine.handle('opened');
		expect(seen).toBe('open');
	});
});

describe('reachableStates', () => {
	it('follows the table', () => {
		expect([...reachableStates(TABLE, 'new')].sort()).toEqual(['closed', 'new', 'open']);
		expect([...reachableStates(TABLE, 'closed')]).toEqual(['closed']);
	});
});
