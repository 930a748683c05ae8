#!/bin/sh
# Chromium and a font with Devanagari for the browser tests, where they can be installed.
if command -v chromium >/dev/null 2>&1; then exit 0; fi
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    echo "installing chromium for the browser tests"
    { apt-get update -qq && apt-get install -y -qq chromium fonts-noto-core; } >/dev/null 2>&1 && exit 0
fi
echo "*** NO CHROMIUM: the browser tests will be SKIPPED. Install it with: apt-get install chromium fonts-noto-core ***"
