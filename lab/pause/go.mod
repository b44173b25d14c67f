module landbridge.dev/lab/pause

go 1.26
