#!/bin/sh
# Starts FFmpeg with nothing of the server's environment but where programs and libraries are, and at a lower priority: media
# that passes through, and viewers, come first. Each step replaces the one before it (exec), so that the process id, signals
# and the exit code are FFmpeg's own.
exec env -i \
	"PATH=$PATH" \
	LC_ALL=C \
	${LD_LIBRARY_PATH:+"LD_LIBRARY_PATH=$LD_LIBRARY_PATH"} \
	nice -n 10 "${FFMPEG_PATH:-ffmpeg}" "$@"
