// Package store keeps
//
//	ACL SETUSER privyseal on >PASSWORD resetchannels ~privyseal:keyring +eval +hmget +hset +time
package store
