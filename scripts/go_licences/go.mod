// What scripts/list_go_licences runs; nothing of it is in the bundle.
module scripts/go_licences

go 1.26

require github.com/google/licensecheck v0.3.1
