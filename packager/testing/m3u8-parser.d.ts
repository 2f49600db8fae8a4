/** Types of the part of m3u8-parser that tests use; the package brings none. */
declare module 'm3u8-parser' {
	/** Parses a playlist that is pushed in pieces. */
	export class Parser {
		push(text: string): void;
		end(): void;
		on(name: 'warn' | 'info', listener: (event: { message: string }) => void): void;
		readonly manifest: { segments: unknown[]; playlists?: unknown[]; mediaGroups?: Record<string, unknown> };
	}
}
