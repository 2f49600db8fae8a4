/** Tests of the list of source packages that is derived from a machine's apt sources. */
import { describe, expect, it } from 'vitest';
import { deriveSourcePackageList, parseDeb822Sources, parseOneLineSources } from './debian-sources.mjs';

const ONE_LINE = `
# a comment
deb http://archive.example/debian bookworm main contrib non-free-firmware
deb [arch=amd64 signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://archive.example/debian-security bookworm-security main # trailing
deb-src http://archive.example/debian bookworm main
deb http://archive.example/debian bookworm-backports main
deb [signed-by=/etc/apt/keyrings/vendor.asc] https://vendor.example/linux/debian bookworm stable
deb [arch=amd64] https://vendor.example/apt bookworm-pgdg main
#deb http://disabled.example/debian bookworm main
`;

const DEB822 = `# The distribution
Types: deb
# a comment within the stanza
URIs: http://archive.example/debian
Suites: bookworm bookworm-updates
Components: main contrib
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg
Architectures: amd64

Types: deb
URIs: http://archive.example/debian-security
Suites: bookworm-security
Components: main
signed-by:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 abc
 -----END PGP PUBLIC KEY BLOCK-----

Types: deb
URIs: https://vendor.example/node
Suites: nodistro
Components: main

Enabled: no
Types: deb
URIs: http://disabled.example/debian
Suites: bookworm
Components: main
`;

describe('deriveSourcePackageList', () => {
	it('takes the distribution from the one-line style, with the keyring, and leaves third parties out', () => {
		expect(deriveSourcePackageList(parseOneLineSources(ONE_LINE), 'bookworm')).toBe(`Types: deb-src
URIs: http://archive.example/debian
Suites: bookworm
Components: main

Types: deb-src
URIs: http://archive.example/debian-security
Suites: bookworm-security
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg
`);
	});

	it('takes the distribution from the deb822 style, with a keyring or a key, and leaves the rest out', () => {
		expect(deriveSourcePackageList(parseDeb822Sources(DEB822), 'bookworm')).toBe(`Types: deb-src
URIs: http://archive.example/debian
Suites: bookworm bookworm-updates
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb-src
URIs: http://archive.example/debian-security
Suites: bookworm-security
Components: main
Signed-By: 
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 abc
 -----END PGP PUBLIC KEY BLOCK-----
`);
	});

	it('is empty when the machine has no source of its own distribution', () => {
		expect(deriveSourcePackageList(parseOneLineSources('deb https://vendor.example/apt any main'), 'bookworm')).toBe(
			'',
		);
		expect(deriveSourcePackageList([], 'bookworm')).toBe('');
	});

	it('follows names that move, and the universe component', () => {
		const sources = parseOneLineSources(
			'deb http://a.example/debian stable main\ndeb http://b.example/ubuntu noble universe',
		);
		expect(deriveSourcePackageList(sources, 'noble').match(/^URIs: .*$/gm)).toEqual([
			'URIs: http://a.example/debian',
			'URIs: http://b.example/ubuntu',
		]);
	});

	it('names a source once, however often the machine does', () => {
		const text = 'deb http://a.example/debian bookworm main\ndeb-src http://a.example/debian bookworm main\n';
		expect(deriveSourcePackageList(parseOneLineSources(text), 'bookworm').match(/deb-src/g)).toHaveLength(1);
	});

	it('reads its own output back', () => {
		const list = deriveSourcePackageList(parseDeb822Sources(DEB822), 'bookworm');
		expect(deriveSourcePackageList(parseDeb822Sources(list), 'bookworm')).toBe(list);
	});
});
