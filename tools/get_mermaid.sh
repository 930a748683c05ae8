#!/bin/sh
# get_mermaid.sh FOLDER: the one file of mermaid that the docs site serves itself, from npm, by its checksum. Needs npm and tar.
set -eu
folder=$1 version=11.17.2
sum=581ed7d74bd9048d0e3a91363927d72ef22942d7722546b27f7cc29e35390eb8
command -v npm >/dev/null || { echo "NO NPM: the docs site needs it once, for its pictures. Install Node.js 20." >&2; exit 1; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
(cd "$work" && npm pack --silent "mermaid@$version" >/dev/null && tar -xzf "mermaid-$version.tgz" package/dist/mermaid.min.js)
echo "$sum  $work/package/dist/mermaid.min.js" | sha256sum --check --quiet
mv "$work/package/dist/mermaid.min.js" "$folder/mermaid.min.js"
