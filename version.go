package privyseal

import "runtime/debug"

// version is the release this program was built from; the release build sets it
// with -ldflags "-X privyseal.version=v1.2.3".
var version = ""

// Version names the release, or the commit for other builds.
func Version() string {
	if version != "" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, setting := range info.Settings {
			if setting.Key == "vcs.revision" && len(setting.Value) >= 12 {
				return "devel-" + setting.Value[:12]
			}
		}
	}
	return "devel"
}
