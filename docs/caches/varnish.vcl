# Varnish 7.1 (Debian 12) in front of Spillway: one request to a server for each playlist and part, however many wait.
# How to run it, and what each rule is for: docs/operations.md, section CDN.
#
# Edit the lines that end with "# edit: …", and nothing else. With one server name it twice.

vcl 4.1;

import directors;
import std;

# A server that is not ready is left out while another one is.
probe ready {
	.url = "/readyz";
	.interval = 2s; # edit: probe interval
	.timeout = 1s;
	.window = 3;
	.threshold = 2;
	.initial = 2;
}

backend server_1 {
	.host = "127.0.0.1"; # edit: server 1 host
	.port = "8080"; # edit: server 1 port
	.probe = ready;
	.connect_timeout = 1s;
	# The server holds a request for 9.5 s at most. A longer wait is a server that hangs.
	.first_byte_timeout = 12s;
	.between_bytes_timeout = 5s;
	.max_connections = 2000;
}

backend server_2 {
	.host = "127.0.0.1"; # edit: server 2 host
	.port = "8080"; # edit: server 2 port
	.probe = ready;
	.connect_timeout = 1s;
	.first_byte_timeout = 12s;
	.between_bytes_timeout = 5s;
	.max_connections = 2000;
}

# The same servers without a probe: one that is not ready still serves the broadcasts that it has.
backend server_1_unready {
	.host = "127.0.0.1"; # edit: server 1 host
	.port = "8080"; # edit: server 1 port
	.connect_timeout = 1s;
	.first_byte_timeout = 12s;
	.between_bytes_timeout = 5s;
	.max_connections = 2000;
}

backend server_2_unready {
	.host = "127.0.0.1"; # edit: server 2 host
	.port = "8080"; # edit: server 2 port
	.connect_timeout = 1s;
	.first_byte_timeout = 12s;
	.between_bytes_timeout = 5s;
	.max_connections = 2000;
}

# Who may purge: the servers themselves. Never the address of a proxy that passes viewers' requests on.
acl purgers {
	"127.0.0.1"; # edit: purgers
	"::1";
}

sub vcl_init {
	new servers = directors.fallback();
	servers.add_backend(server_1);
	servers.add_backend(server_2);
	servers.add_backend(server_1_unready);
	servers.add_backend(server_2_unready);
	new after_1 = directors.fallback();
	after_1.add_backend(server_2);
	after_1.add_backend(server_2_unready);
	new after_2 = directors.fallback();
	after_2.add_backend(server_1);
	after_2.add_backend(server_1_unready);
}

sub vcl_recv {
	set req.backend_hint = servers.backend();
	unset req.http.X-Query;
	unset req.http.Proxy;

	# Everything below a path is forgotten. The characters are those of our paths, so that none means something in a ban.
	if (req.method == "PURGE") {
		if (client.ip !~ purgers) {
			return (synth(403, "Purging is not allowed from this address"));
		}
		if (req.url !~ "^/(hls|vod)/[A-Za-z0-9_/-]+/$") {
			return (synth(400, "Only paths of media can be purged, with a slash at the end"));
		}
		if (!std.ban("obj.http.X-Path ~ ^" + req.url)) {
			return (synth(500, std.ban_error()));
		}
		return (synth(200, "Purged"));
	}

	# Pages, API, WHIP, WHEP and sockets are passed on as they are.
	if (req.url !~ "^/(hls|vod)/" || (req.method != "GET" && req.method != "HEAD")) {
		if (req.http.Upgrade ~ "(?i)^websocket$") {
			return (pipe);
		}
		return (pass);
	}
	# Our paths need no escapes. With them one object has thousands of addresses.
	if (req.url ~ "%" || req.url ~ "^/hls/steering\.json") {
		return (pass);
	}

	# One key for each object: the three parameters that choose a playlist, in one order, and no others.
	set req.http.X-Query = "";
	if (req.url ~ "^/hls/[^?]*\.m3u8\?") {
		if (req.url ~ "[?&]_HLS_msn=[^&]") {
			set req.http.X-Query = req.http.X-Query + "&_HLS_msn=" + regsub(req.url, "^.*?[?&]_HLS_msn=([^&]+).*$", "\1");
		}
		if (req.url ~ "[?&]_HLS_part=[^&]") {
			set req.http.X-Query = req.http.X-Query + "&_HLS_part=" + regsub(req.url, "^.*?[?&]_HLS_part=([^&]+).*$", "\1");
		}
		if (req.url ~ "[?&]_HLS_skip=[^&]") {
			set req.http.X-Query = req.http.X-Query + "&_HLS_skip=" + regsub(req.url, "^.*?[?&]_HLS_skip=([^&]+).*$", "\1");
		}
	}
	set req.url = regsub(req.url, "\?.*$", "") + regsub(req.http.X-Query, "^&", "?");
	unset req.http.X-Query;

	# The playlist and the pictures of a private video depend on who asks. All other media is the same for everyone.
	if (req.url ~ "^/vod/[^/]+/[^/]+$" && (req.http.Cookie ~ "spillway_session=" || req.http.Authorization)) {
		return (pass);
	}
	unset req.http.Cookie;
	unset req.http.Authorization;
	return (hash);
}

sub vcl_pipe {
	set bereq.http.Upgrade = req.http.Upgrade;
	set bereq.http.Connection = req.http.Connection;
}

# Not the name of the host: media is the same under each.
sub vcl_hash {
	hash_data(req.url);
	return (lookup);
}

sub vcl_backend_fetch {
	if (bereq.retries == 1) {
		if (bereq.http.X-Tried ~ "server_1") {
			set bereq.backend = after_1.backend();
		} else {
			set bereq.backend = after_2.backend();
		}
	}
	unset bereq.http.X-Tried;
}

sub vcl_backend_response {
	# A live channel is on one server only.
	if (beresp.status == 404 && bereq.retries == 0 && bereq.url ~ "^/hls/") {
		set bereq.http.X-Tried = beresp.backend.name;
		set bereq.http.X-Missing = "there";
		return (retry);
	}
	if (bereq.uncacheable) {
		return (deliver);
	}
	set beresp.http.X-Path = bereq.url;
	# Old playlists are of no use to anyone.
	set beresp.grace = 0s;

	if (beresp.http.Set-Cookie || beresp.http.Cache-Control ~ "private" || std.integer(beresp.http.Content-Length, 0) > 67108864) {
		# Not stored. Requests for it do not wait for one another for two minutes.
		set beresp.uncacheable = true;
		set beresp.ttl = 120s;
		return (deliver);
	}
	if (beresp.ttl <= 0s || beresp.http.Cache-Control ~ "no-store") {
		call for_those_who_wait;
	}
	return (deliver);
}

sub vcl_backend_error {
	if (bereq.retries == 0 && (bereq.method == "GET" || bereq.method == "HEAD")) {
		set bereq.http.X-Tried = beresp.backend.name;
		return (retry);
	}
	set beresp.http.Content-Type = "application/problem+json";
	set beresp.http.Access-Control-Allow-Origin = "*";
	# One server does not have it, and the other one does not answer.
	if (bereq.http.X-Missing) {
		set beresp.status = 404;
		set beresp.http.Cache-Control = "public, max-age=1";
		set beresp.ttl = 1s;
		set beresp.grace = 0s;
		set beresp.body = {"{ "status": 404, "title": "The server that answers does not have it." }"};
		return (deliver);
	}
	set beresp.status = 503;
	set beresp.http.Cache-Control = "no-store";
	set beresp.http.Retry-After = "1";
	set beresp.body = {"{ "status": 503, "title": "No server answers the cache." }"};
	if (!bereq.uncacheable) {
		call for_those_who_wait;
	}
	return (deliver);
}

# An answer that nobody may keep is given to those who asked before it came, and to nobody later. Otherwise they ask the
# server one after the other, and each is held again: longer than players wait. (Freshness is compared with the time of
# the request; the object stays a little so that all of a crowd can fetch it.)
sub for_those_who_wait {
	set beresp.ttl = 0.001s;
	set beresp.grace = 0s;
	set beresp.keep = 10s;
	# Nothing to compare with, so that the next request is never a conditional one.
	unset beresp.http.ETag;
	unset beresp.http.Last-Modified;
}

sub vcl_deliver {
	unset resp.http.X-Path;
	if (obj.hits > 0) {
		set resp.http.X-Cache = "HIT";
	} else {
		set resp.http.X-Cache = "MISS";
	}
}
