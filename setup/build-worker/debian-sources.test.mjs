/** Tests of deriving the list for source packages from a machine's apt sources. */
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
	it('keeps the distribution with its keyring, and no third parties, from the one-line style', () => {
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

	it('keeps the distribution with its keyring or key, and no third parties, from the deb822 style', () => {
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

	it.each(['deb https://vendor.example/apt any main', ''])(
		'is empty without a source of the distribution: %j',
		(text) => {
			expect(deriveSourcePackageList(parseOneLineSources(text), 'bookworm')).toBe('');
		},
	);

	it('keeps suites that change their release, and the universe component', () => {
		const sources = parseOneLineSources(
			'deb http://a.example/debian stable main\ndeb http://b.example/ubuntu noble universe',
		);
		expect(deriveSourcePackageList(sources, 'noble').match(/^URIs: .*$/gm)).toEqual([
			'URIs: http://a.example/debian',
			'URIs: http://b.example/ubuntu',
		]);
	});

	it('lists a repeated source once', () => {
		const text = 'deb http://a.example/debian bookworm main\ndeb-src http://a.example/debian bookworm main\n';
		expect(deriveSourcePackageList(parseOneLineSources(text), 'bookworm').match(/deb-src/g)).toHaveLength(1);
	});

	it('derives the same list from its output', () => {
		const list = deriveSourcePackageList(parseDeb822Sources(DEB822), 'bookworm');
		expect(deriveSourcePackageList(parseDeb822Sources(list), 'bookworm')).toBe(list);
	});
});
